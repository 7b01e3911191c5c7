package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// fetching is pull.json of a revision: an image is being pulled for it. It is written before and goes when the record says
// whose the image is, so whatever a failure or a killed controller leaves in between is known to be naru's.
type fetching struct {
	Image  string `json:"image"`            // the name that is pulled
	Before string `json:"before,omitempty"` // the ID that it stood for on this machine; empty: none
}

func (p *Platform) fetchFile(service, revision string) string {
	return filepath.Join(p.revision(service, revision), "pull.json")
}

func (p *Platform) readFetch(service, revision string) (f fetching, known bool) {
	return f, platform.ReadJSON(p.fetchFile(service, revision), &f) == nil
}

// fetch pulls an image for a revision.
func (p *Platform) fetch(ctx context.Context, rev deploy.Revision, name string) (*image, error) {
	before, err := p.image(ctx, name)
	if err != nil {
		return nil, err
	}
	file := p.fetchFile(rev.Service, rev.ID)
	if f, known := p.readFetch(rev.Service, rev.ID); !known || f.Image != name { // else it was begun, and what it found first counts
		f = fetching{Image: name}
		if before != nil {
			f.Before = before.id
		}
		if err := p.makeRevision(rev.Service, rev.ID); err != nil {
			return nil, err
		}
		if err := platform.WriteJSON(file, f); err != nil {
			return nil, err
		}
	}
	if err := p.pull(ctx, name, func(words string) { p.say(rev, words) }); err != nil {
		return nil, err
	}
	found, err := p.image(ctx, name)
	if found == nil && err == nil {
		err = fmt.Errorf("the image %s was pulled and is gone again; is something pruning images?", name)
	}
	return found, err
}

// fetched reports whether an image came by naru: for this revision just now, or for another one.
func (p *Platform) fetched(service, revision, id string) bool {
	if f, known := p.readFetch(service, revision); known && f.Before != id {
		return true
	}
	for _, other := range p.records() {
		if other.ID == id && other.Pulled {
			return true
		}
	}
	return false
}

// claimImage is a lock that whoever begins or ends to keep an image has meanwhile: else one revision could give up what another
// has just found.
func (p *Platform) claimImage(ctx context.Context, id string) (unlock func(), err error) {
	return p.busy.Lock(ctx, "image "+id)
}

// abandon removes what was begun for a revision that was not recorded: its tag, the image if it was pulled for it, its folder. The
// name then means again what it did. It is carried out although the caller's time is over.
func (p *Platform) abandon(ctx context.Context, service, revision string) error {
	ctx, cancel := bounded(context.WithoutCancel(ctx))
	defer cancel()
	if f, known := p.readFetch(service, revision); known {
		found, err := p.image(ctx, f.Image)
		if err != nil {
			return err
		}
		if found != nil && found.id != f.Before {
			r := record{Image: f.Image, ID: found.id, Digest: found.digest, Pulled: true}
			if err := p.giveUp(ctx, service, revision, r); err != nil {
				return err
			}
			if err := p.restore(ctx, f); err != nil {
				return err
			}
		}
	}
	if err := p.giveUp(ctx, service, revision, record{}); err != nil {
		return err
	}
	return p.dropRevision(service, revision)
}

// restore gives a name back to what it stood for before a pull that came to nothing, if that is still there.
func (p *Platform) restore(ctx context.Context, f fetching) error {
	now, err := p.image(ctx, f.Image)
	if f.Before == "" || now != nil || err != nil {
		return err
	}
	if before, err := p.image(ctx, f.Before); before == nil || err != nil {
		return err
	}
	return p.keep(ctx, f.Before, f.Image)
}

// makeRevision makes the folder of a revision. From then on there is something to sweep.
func (p *Platform) makeRevision(service, revision string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return os.MkdirAll(p.revision(service, revision), 0o700)
}

// dropRevision removes the folder of a revision, and that of the service with its last one.
func (p *Platform) dropRevision(service, revision string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	dir := p.revision(service, revision)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(dir)) // only when it was the last
	return nil
}

// halfFetched finds pulls that no revision came of, because the controller was killed.
func (p *Platform) halfFetched(ctx context.Context, dry bool) (out []platform.Leftover, err error) {
	files, err := filepath.Glob(filepath.Join(p.dir, "revisions", "*", "*", "pull.json"))
	for _, file := range files {
		dir := filepath.Dir(file)
		service, revision := filepath.Base(filepath.Dir(dir)), filepath.Base(dir)
		found, err := p.dropFetch(ctx, service, revision, dry)
		if out = append(out, found...); err != nil {
			return out, err
		}
	}
	return out, err
}

func (p *Platform) dropFetch(ctx context.Context, service, revision string, dry bool) ([]platform.Leftover, error) {
	waiting, cancel := context.WithTimeout(ctx, followPause)
	defer cancel()
	unlock, err := p.busy.Lock(waiting, service+"/"+revision)
	if err != nil {
		return nil, ctx.Err() // it is being pulled just now, which may take its time
	}
	defer unlock()
	f, known := p.readFetch(service, revision)
	if _, err := os.Stat(p.recordFile(service, revision)); !known || err == nil {
		return nil, nil // the next Prepare or Remove of the revision sees to it
	}
	found := []platform.Leftover{{Kind: "image", Name: f.Image, Why: "its pull was cut off"}}
	if dry {
		return found, nil
	}
	if err := p.abandon(ctx, service, revision); err != nil {
		return nil, err
	}
	return found, nil
}

// markFetched notes with every revision of an image that naru has pulled it, so that it goes with the last of them.
func (p *Platform) markFetched(id string) error {
	for dir, r := range p.records() {
		if r.ID == id && !r.Pulled {
			r.Pulled = true
			if err := platform.WriteJSON(filepath.Join(dir, "record.json"), r); err != nil {
				return err
			}
		}
	}
	return nil
}

// unfetch ends a pull whose image is recorded.
func (p *Platform) unfetch(service, revision string) {
	_ = os.Remove(p.fetchFile(service, revision)) // left, it says of a recorded image what its record says
}
