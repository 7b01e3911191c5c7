//go:build linux

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

// record is record.json of a revision: what it was when it was deployed.
type record struct {
	Artifact string `json:"artifact,omitempty"` // name of the copy in the folder artifact
	Program  string `json:"program,omitempty"`  // the command's file, when there is no artifact
	SHA256   string `json:"sha256,omitempty"`   // of that file

	Secrets map[string]string `json:"secrets,omitempty"` // keyed digests, by place in the settings
}

const recordFile = "record.json"

// Prepare makes sure that the revision can be started now and later: it copies the artifact, or else records what the
// command's file is. Preparing a revision that is prepared checks that it still can be started.
func (p *Platform) Prepare(ctx context.Context, rev deploy.Revision) error {
	if err := errors.Join(checkName(rev.Service), checkName(rev.ID)); err != nil {
		return err
	}
	unlock, err := p.busy.Lock(ctx, rev.Service+"/"+rev.ID)
	if err != nil {
		return fmt.Errorf("prepare %s %s: %w", rev.Service, rev.ID, err)
	}
	defer unlock()
	dir := p.revision(rev.Service, rev.ID)
	if _, err := os.Stat(filepath.Join(dir, recordFile)); err == nil {
		return p.startable(ctx, rev, false)
	}
	r, err := p.capture(ctx, rev, dir)
	if err != nil {
		return fmt.Errorf("%s %s cannot be started: %w", rev.Service, rev.ID, err)
	}
	return platform.WriteJSON(filepath.Join(dir, recordFile), r)
}

// capture takes hold of what the revision consists of, the record last.
func (p *Platform) capture(ctx context.Context, rev deploy.Revision, dir string) (r record, err error) {
	proc := rev.Settings.Process
	if proc == nil || len(proc.Command) == 0 {
		return record{}, errors.New("the service has no process.command; add one to the file")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return record{}, err
	}
	found, problems := p.find(ctx, rev, nil, false)
	if problems != nil {
		return record{}, secret.Err(problems)
	}
	p.warn(rev, found)
	p.early.Keep(rev, found)
	r.Secrets = p.key.Digests(rev.Service, environment, found)
	s := scope{"VERSION": rev.Version, "REVISION": rev.ID}
	if proc.Artifact != "" {
		source := s.expand(proc.Artifact)
		r.Artifact = filepath.Base(source)
		if err := p.copyArtifact(ctx, source, dir); err != nil {
			return record{}, err
		}
		s["ARTIFACT"] = filepath.Join(dir, "artifact", r.Artifact)
		if err := p.describe(s["ARTIFACT"], dir); err != nil {
			return record{}, err
		}
	}
	if perInstance(proc) {
		return r, nil
	}
	c, err := s.command(proc, proc.Command, found)
	if err != nil {
		return record{}, fmt.Errorf("%w; build the program or correct process.command and process.dir", err)
	}
	if r.Artifact == "" {
		r.Program = c.path
		r.SHA256, err = p.sums.sum(c.path)
	}
	return r, err
}

// perInstance reports whether the program's place depends on the instance, so that it is known only at its start.
func perInstance(proc *deploy.Process) bool {
	return slices.ContainsFunc([]string{proc.Dir, proc.Command[0]}, func(text string) bool {
		return strings.Contains(text, "${INSTANCE}") || strings.Contains(text, "${PORT}")
	})
}

// Readiness reports whether the revision could be started now and is what it was: nil, or what stands against it and what
// to do. The copy of its artifact is compared file by file; what has not been touched since is not read again. Secrets are
// looked for, but the commands that print some are not run: Examine does that.
func (p *Platform) Readiness(rev deploy.Revision) error {
	if err := p.startable(context.Background(), rev, true); err != nil {
		return err
	}
	return p.intact(rev)
}

// startable is Readiness for a revision that may be running: a program that has written into its own copy must not be
// kept from being started again.
func (p *Platform) startable(ctx context.Context, rev deploy.Revision, glance bool) error {
	if err := errors.Join(checkName(rev.Service), checkName(rev.ID)); err != nil {
		return err
	}
	spec := deploy.InstanceSpec{Service: rev.Service, Revision: rev.ID, Version: rev.Version, Settings: rev.Settings}
	if err := p.unchanged(spec); err != nil {
		return err
	}
	found, problems := p.find(ctx, rev, nil, glance)
	if problems != nil {
		return fmt.Errorf("%s %s cannot be started: %w", rev.Service, rev.ID, secret.Err(problems))
	}
	if !glance {
		p.early.Keep(rev, found)
	}
	if proc := rev.Settings.Process; proc == nil || len(proc.Command) == 0 || perInstance(proc) {
		return nil
	}
	l := launch{Spec: spec, Artifact: p.artifact(rev.Service, rev.ID)}
	if _, err := l.program(found); err != nil {
		return fmt.Errorf("%s %s cannot be started: %w", rev.Service, rev.ID, err)
	}
	return nil
}

// unchanged checks that the revision is what it was when it was deployed.
func (p *Platform) unchanged(spec deploy.InstanceSpec) error {
	name := spec.Service + " " + spec.Revision
	var r record
	if err := platform.ReadJSON(filepath.Join(p.revision(spec.Service, spec.Revision), recordFile), &r); err != nil {
		if missing(err) {
			err = errors.New("its record is missing")
		}
		return fmt.Errorf("nothing is known of what %s was deployed with (%w); deploy version %s again", name, err, spec.Version)
	}
	if r.Artifact != "" {
		if _, err := os.Stat(p.artifact(spec.Service, spec.Revision)); err != nil {
			return fmt.Errorf("the copy of the artifact of %s is gone: %w; deploy version %s again", name, err, spec.Version)
		}
	}
	if r.SHA256 == "" {
		return nil
	}
	sum, err := p.sums.sum(r.Program)
	if err != nil {
		return fmt.Errorf("%s was deployed with %s, which cannot be read now: %w; bring it back or deploy again", name, r.Program, err)
	}
	if sum != r.SHA256 {
		return fmt.Errorf("%s was deployed with %s of sha256 %.12s…, the file has changed since (%.12s…); deploy again or use process.artifact",
			name, r.Program, r.SHA256, sum)
	}
	return nil
}

// artifact returns the path of the revision's copy, or "" when it has none.
func (p *Platform) artifact(service, revision string) string {
	dir := p.revision(service, revision)
	var r record
	if err := platform.ReadJSON(filepath.Join(dir, recordFile), &r); err != nil || r.Artifact == "" {
		return ""
	}
	return filepath.Join(dir, "artifact", r.Artifact)
}
