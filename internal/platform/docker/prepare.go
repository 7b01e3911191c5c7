package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

// record is record.json of a revision: what it was when it was deployed.
type record struct {
	Image      string            `json:"image"`                 // as the file named it
	ID         string            `json:"id"`                    // what that was: this runs, wherever the tag points now
	Digest     string            `json:"digest,omitempty"`      // name@sha256:… by which a registry has it
	Env        []string          `json:"env,omitempty"`         // names of the variables that the image itself sets
	Secrets    map[string]string `json:"secrets,omitempty"`     // keyed digests, by place in the settings
	Checked    bool              `json:"checked,omitempty"`     // the image has a HEALTHCHECK
	CheckEvery time.Duration     `json:"check_every,omitempty"` // its interval; 0: the engine's default
	Pulled     bool              `json:"pulled,omitempty"`      // by naru: with the last revision that has it, it goes
}

func (p *Platform) recordFile(service, revision string) string {
	return filepath.Join(p.revision(service, revision), "record.json")
}

func (p *Platform) readRecord(service, revision, version string) (r record, err error) {
	if err = platform.ReadJSON(p.recordFile(service, revision), &r); err != nil {
		if os.IsNotExist(err) {
			err = errors.New("its record is missing")
		}
		err = fmt.Errorf("nothing is known of what %s %s was deployed with (%w); deploy version %s again", service, revision, err, version)
	}
	return r, err
}

// gone says that the revision's image was removed, and how to get it back.
func (r record) gone(service, revision, version string) error {
	return fmt.Errorf("the image %s (%.19s) of %s %s is not on this machine any more: somebody removed it; deploy version %s again", r.Image, r.ID, service, revision, version)
}

// Prepare makes sure that the revision can be started now and later: it pulls the image if it has to, and records what it is.
// Preparing a revision that is prepared checks that it still can be started, and fetches an image that was removed.
func (p *Platform) Prepare(ctx context.Context, rev deploy.Revision) error {
	if err := platform.CheckNames(rev.Service, rev.ID); err != nil {
		return err
	}
	d := rev.Settings.Docker
	if d == nil {
		return fmt.Errorf("%s %s cannot be started: the service has no docker section", rev.Service, rev.ID)
	}
	unlock, err := p.busy.Lock(ctx, rev.Service+"/"+rev.ID)
	if err != nil {
		return fmt.Errorf("prepare %s %s: %w", rev.Service, rev.ID, err)
	}
	defer unlock()
	defer p.say(rev, "")
	r, err := p.readRecord(rev.Service, rev.ID, rev.Version)
	if err == nil {
		err = p.refresh(ctx, rev, r)
	} else {
		err = p.capture(ctx, rev)
	}
	if err != nil {
		return fmt.Errorf("%s %s cannot be started: %w", rev.Service, rev.ID, err)
	}
	p.want()
	return nil
}

// Preparing says in words what Prepare of a revision is at, such as how much of its image is pulled; empty: nothing that takes long.
func (p *Platform) Preparing(rev deploy.Revision) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.saying[rev.Service+"/"+rev.ID]
}

// say notes what Prepare is at; empty: it is over.
func (p *Platform) say(rev deploy.Revision, words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saying[rev.Service+"/"+rev.ID] = words
	if words == "" {
		delete(p.saying, rev.Service+"/"+rev.ID)
	}
}

// captureTries is how often an image is looked for again that somebody removed between the look and the tag that keeps it.
const captureTries = 3

// capture takes hold of what the revision consists of, the record last. Of one that fails nothing stays.
func (p *Platform) capture(ctx context.Context, rev deploy.Revision) (err error) {
	d := rev.Settings.Docker
	r := record{Image: platform.Expand(d.Image, map[string]string{"VERSION": rev.Version})}
	own, problems := find(ctx, rev, nil, nil, false)
	if problems != nil {
		return secret.Err(problems)
	}
	p.warn(rev, own.secrets)
	p.early.Keep(rev, own.secrets)
	r.Secrets = p.digests(rev.Service, own)
	if err := folders(d.Volumes); err != nil {
		return err
	}
	_, missing := os.Stat(p.revision(rev.Service, rev.ID))
	_, begun := p.readFetch(rev.Service, rev.ID)
	defer func() {
		if _, nothing := os.Stat(p.revision(rev.Service, rev.ID)); err == nil || nothing != nil || missing == nil && !begun {
			return // what was there before is not ours to remove: logs, a record that is damaged
		}
		if left := p.abandon(ctx, rev.Service, rev.ID); left != nil { // a sweep tries again
			p.log.Warn("cannot remove what was begun for a revision that cannot be started", "service", rev.Service, "revision", rev.ID, "error", left)
		}
	}()
	for range captureTries {
		found, err := p.resolve(ctx, rev, r.Image)
		if err != nil {
			return err
		}
		if err := p.fits(ctx, found); err != nil {
			return err
		}
		r.ID, r.Digest, r.Env, r.Checked, r.CheckEvery = found.id, found.digest, found.env, found.checked, found.checkEvery
		if there, err := p.hold(ctx, rev, r); there || err != nil {
			return err
		}
	}
	return fmt.Errorf("the image %s is removed as soon as it is there; is something pruning images?", r.Image)
}

// hold keeps the image of a revision and writes the record. It reports false when the image is gone again.
func (p *Platform) hold(ctx context.Context, rev deploy.Revision, r record) (there bool, err error) {
	unlock, err := p.claimImage(ctx, r.ID)
	if err != nil {
		return false, err
	}
	defer unlock()
	if found, err := p.image(ctx, r.ID); found == nil || err != nil {
		return false, err
	}
	if p.fetched(rev.Service, rev.ID, r.ID) {
		r.Pulled = true
		if err := p.markFetched(r.ID); err != nil {
			return false, err
		}
	}
	if err := p.makeRevision(rev.Service, rev.ID); err != nil {
		return false, err
	}
	if err := p.keep(ctx, r.ID, p.keepTag(rev.Service, rev.ID)); err != nil {
		return false, err
	}
	if err := platform.WriteJSON(p.recordFile(rev.Service, rev.ID), r); err != nil {
		return false, err
	}
	p.unfetch(rev.Service, rev.ID)
	return true, nil
}

// refresh brings an image back that was removed, by its digest: it is the same one.
func (p *Platform) refresh(ctx context.Context, rev deploy.Revision, r record) error {
	own, problems := find(ctx, rev, nil, nil, false)
	if problems != nil {
		return secret.Err(problems)
	}
	p.early.Keep(rev, own.secrets)
	for range captureTries {
		found, err := p.image(ctx, r.ID)
		if err != nil {
			return err
		}
		if found == nil {
			if r.Digest == "" || rev.Settings.Docker.Pull == "never" {
				return r.gone(rev.Service, rev.ID, rev.Version)
			}
			if _, err := p.fetch(ctx, rev, r.Digest); err != nil {
				p.unfetch(rev.Service, rev.ID)
				return errors.Join(r.gone(rev.Service, rev.ID, rev.Version), err)
			}
		}
		if there, err := p.hold(ctx, rev, r); err != nil {
			return err
		} else if there {
			return folders(rev.Settings.Docker.Volumes)
		}
	}
	return r.gone(rev.Service, rev.ID, rev.Version)
}

// glance is how long Readiness may take: somebody waits for it.
const glance = 5 * time.Second

// Readiness reports whether the revision could be started now: nil, or what stands against it and what to do. Secrets are
// looked for, but the commands that print some are not run: Examine does that.
func (p *Platform) Readiness(rev deploy.Revision) error {
	if err := platform.CheckNames(rev.Service, rev.ID); err != nil {
		return err
	}
	r, err := p.readRecord(rev.Service, rev.ID, rev.Version)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), glance)
	defer cancel()
	found, err := p.image(ctx, r.ID)
	if err != nil {
		return fmt.Errorf("%s %s cannot be started: %w", rev.Service, rev.ID, err)
	}
	if found == nil {
		if r.Digest == "" || rev.Settings.Docker.Pull == "never" {
			return r.gone(rev.Service, rev.ID, rev.Version)
		}
		if err := p.offered(ctx, r.Digest); err != nil {
			return errors.Join(r.gone(rev.Service, rev.ID, rev.Version), err)
		}
	}
	if _, problems := find(ctx, rev, nil, nil, true); problems != nil {
		return fmt.Errorf("%s %s cannot be started: %w", rev.Service, rev.ID, secret.Err(problems))
	}
	return folders(rev.Settings.Docker.Volumes)
}

// warn says what works and is not as secret as it could be.
func (p *Platform) warn(rev deploy.Revision, found secret.Set) {
	for _, w := range found.Warnings {
		p.log.Warn("a secret is not kept well", "service", rev.Service, "revision", rev.ID, "place", w.Path, "warning", w.Message)
	}
}

// folders checks that the folders of this machine that are to be mounted exist: the engine would refuse every start. What
// depends on the instance is known only at its start.
func folders(volumes []string) error {
	for _, text := range volumes {
		v, ok := deploy.ParseVolume(text)
		if !ok || v.Named() || platform.Expand(v.Source, map[string]string{"INSTANCE": "", "VERSION": "", "REVISION": ""}) != v.Source {
			continue
		}
		if _, err := os.Stat(v.Source); err != nil {
			return fmt.Errorf("docker.volumes: %s cannot be mounted: %w; make it, or correct the path", v.Source, err)
		}
	}
	return nil
}
