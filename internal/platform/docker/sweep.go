package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/platform"
)

// Holdings lists what is kept of the revisions of a service, or of all when service is empty. An image counts for the
// revision when no other one has it. While the engine does not answer, images count for nothing.
func (p *Platform) Holdings(ctx context.Context, service string) ([]platform.Holding, error) {
	if service == "" {
		service = "*"
	} else if err := platform.CheckNames(service); err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob(filepath.Join(p.dir, "revisions", service, "*"))
	records, users := p.records(), map[string]int{}
	for _, r := range records {
		users[r.ID]++
	}
	var out []platform.Holding
	for _, dir := range dirs {
		h := platform.Holding{Service: filepath.Base(filepath.Dir(dir)), Revision: filepath.Base(dir), What: "record and logs", Bytes: platform.Size(dir)}
		if r, known := records[dir]; known {
			h.What = fmt.Sprintf("image %s (%.19s), record and logs", r.Image, r.ID)
			if found, err := p.image(ctx, r.ID); err == nil && found != nil && r.Pulled && users[r.ID] == 1 {
				h.Bytes += found.bytes
			}
		}
		out = append(out, h)
	}
	return out, err
}

// Sweep deletes containers of this server that never ran, images whose pull came to nothing, tags that keep an image for a revision
// that is gone, and what instances that have ended printed before a moment. What it returns is gone, unless dry; what stays, and why, is
// the error, which may join several and does not keep it from the rest.
func (p *Platform) Sweep(ctx context.Context, logsBefore time.Time, dry bool) (out []platform.Leftover, err error) {
	if !p.used() { // but the whole folder may have been lost
		ctx, cancel := context.WithTimeout(ctx, glance)
		defer cancel()
		told, _ := p.strays(ctx) // there may be no engine, and nothing here needs one
		return nil, errors.Join(told...)
	}
	for _, sweep := range []func() ([]platform.Leftover, error){
		func() ([]platform.Leftover, error) { return p.stillborn(ctx, dry) },
		func() ([]platform.Leftover, error) { return p.halfFetched(ctx, dry) },
		func() ([]platform.Leftover, error) { return p.idleTags(ctx, dry) },
		func() ([]platform.Leftover, error) { return p.oldLogs(logsBefore, dry) },
		func() ([]platform.Leftover, error) {
			told, err := p.strays(ctx)
			return nil, errors.Join(append(told, err)...)
		},
	} {
		found, failed := sweep()
		out, err = append(out, found...), errors.Join(err, failed)
		if failed != nil && unreachable(failed) || ctx.Err() != nil {
			return out, err // the rest would say the same
		}
	}
	if err == nil && (len(out) == 0 || !dry) {
		p.unuse()
	}
	return out, err
}

// stillborn finds containers that were made and never started, and notes of instances without one: the controller was killed
// before it came to that. Whoever is being started holds the instance's lock.
func (p *Platform) stillborn(ctx context.Context, dry bool) (out []platform.Leftover, err error) {
	all, err := p.ask(ctx)
	if err != nil {
		return nil, err
	}
	for id := range all {
		found, err := p.discardUnborn(ctx, id, dry)
		if out = append(out, found...); err != nil {
			return out, err
		}
	}
	notes, err := p.notes()
	if err != nil {
		return out, err
	}
	for id, n := range notes {
		if n.unused() && all[id] == nil {
			found, err := p.dropNote(ctx, id, dry)
			if out = append(out, found...); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// unused reports whether a note says nothing: no container, no exit, nothing to be stopped.
func (n note) unused() bool { return n.Container == "" && n.Exits == 0 && n.Ended.IsZero() }

func (p *Platform) discardUnborn(ctx context.Context, id string, dry bool) ([]platform.Leftover, error) {
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	c, err := p.find(ctx, id)
	if c == nil || err != nil || c.status != container.StateCreated {
		return nil, err
	}
	found := []platform.Leftover{{Kind: "container", Name: p.name(id), Why: "it was never started"}}
	if dry {
		return found, nil
	}
	if err := p.discard(ctx, c.container); err != nil {
		return nil, err
	}
	p.world.forget()
	if n, _ := p.readNote(id); n.Container == c.container || n.unused() {
		_ = os.Remove(p.noteFile(id))
	}
	return found, nil
}

func (p *Platform) dropNote(ctx context.Context, id string, dry bool) ([]platform.Leftover, error) {
	unlock, err := p.busy.Lock(ctx, id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if n, known := p.readNote(id); !known || !n.unused() {
		return nil, nil
	}
	found := []platform.Leftover{{Kind: "file", Name: p.noteFile(id), Bytes: platform.Size(p.noteFile(id)), Why: "of an instance that was never started"}}
	if dry {
		return found, nil
	}
	if err := os.Remove(p.noteFile(id)); err != nil {
		return nil, err
	}
	return found, nil
}

// idleTags finds our tags without the folder of a revision: it is made before the tag, and removed after it.
func (p *Platform) idleTags(ctx context.Context, dry bool) (out []platform.Leftover, err error) {
	api, err := p.engine.api()
	if err != nil {
		return nil, err
	}
	listing, cancel := bounded(ctx)
	defer cancel()
	images, err := api.ImageList(listing, client.ImageListOptions{Filters: make(client.Filters).Add("reference", "naru-kept/*-"+p.server[:8])})
	if err != nil {
		return nil, explain(err)
	}
	for _, i := range images.Items {
		for _, tag := range i.RepoTags {
			service, revision, ours := p.keptFor(tag)
			if !ours {
				continue
			}
			if _, err := os.Stat(p.revision(service, revision)); !os.IsNotExist(err) {
				continue
			}
			failed := p.dropTag(ctx, tag, i.ID, len(i.RepoTags) == 1, dry)
			if failed == nil {
				out = append(out, platform.Leftover{Kind: "image", Name: tag, Bytes: i.Size, Why: "kept for a revision that is gone"})
			}
			err = errors.Join(err, failed)
		}
	}
	return out, err
}

// dropTag removes a tag that keeps an image for nobody. It stays, which is an error that says why, as the last name of an image of which
// somebody has made a container.
func (p *Platform) dropTag(ctx context.Context, tag, image string, last, dry bool) error {
	if !dry {
		if err := p.untag(ctx, tag); !errors.Is(err, errUsed) {
			return err
		}
	}
	users, ours, err := p.users(ctx, image)
	if err != nil || len(users) == 0 || dry && (!last || ours) { // ours may go with the same sweep
		return err
	}
	whose := ", which is not naru's"
	if ours {
		whose = ""
	}
	return fmt.Errorf("the image %s, kept for a revision that is gone, stays: it is used by container %s%s; it goes when that is removed: docker rm %s", tag, strings.Join(users, ", "), whose, strings.Join(users, " "))
}

// keptFor reads a tag the way keepTag writes it.
func (p *Platform) keptFor(tag string) (service, revision string, ours bool) {
	rest, found := strings.CutPrefix(tag, "naru-kept/")
	name, revision, cut := strings.Cut(rest, ":")
	service, mine := strings.CutSuffix(name, "-"+p.server[:8])
	return service, revision, found && cut && mine && platform.CheckNames(service, revision) == nil
}

// oldLogs finds kept logs of instances that have ended, in which nothing was written since a moment.
func (p *Platform) oldLogs(before time.Time, dry bool) (out []platform.Leftover, err error) {
	logs, err := filepath.Glob(filepath.Join(p.dir, "revisions", "*", "*", "logs", "*.log*"))
	if err != nil {
		return nil, err
	}
	for _, log := range logs {
		id, _, _ := strings.Cut(filepath.Base(log), ".log")
		info, err := os.Stat(log)
		if err != nil || info.ModTime().After(before) {
			continue
		}
		if _, noted := p.readNote(id); noted {
			continue
		}
		found := platform.Leftover{Kind: "log", Name: log, Bytes: platform.Size(log), Why: "old, of an instance that has ended"}
		if !dry {
			if err := os.Remove(log); err != nil && !os.IsNotExist(err) {
				return out, err
			}
		}
		out = append(out, found)
	}
	return out, nil
}
