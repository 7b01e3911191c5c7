//go:build linux

package process

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

// environment is where it stands in the settings.
const environment = "process.env"

// find looks for the secrets of a revision. names are those of one instance; digests are made without any, because they are the
// revision's. A glance runs no command, and a start none whose answer it is given early.
func (p *Platform) find(ctx context.Context, rev deploy.Revision, names scope, glance bool) (secret.Set, []deploy.Problem) {
	proc := rev.Settings.Process
	if proc == nil {
		return secret.Set{}, nil
	}
	dir := scope{"VERSION": rev.Version, "REVISION": rev.ID}.expand(proc.Dir)
	ask := secret.Ask{Service: rev.Service, At: environment, Env: proc.Env, Dir: dir, Fill: names, Glance: glance}
	if names != nil {
		ask.Early = p.early.Take(rev.Service, rev.ID, names["INSTANCE"])
	}
	return secret.Find(ctx, ask)
}

// Examine looks at what a revision takes from outside its settings, now: at its secrets. problems are what keeps instances from being
// started, by the place in the settings; changed are the places whose value is not what it was when the revision was
// prepared, none for one that is not prepared. No value is among what it says.
func (p *Platform) Examine(ctx context.Context, rev deploy.Revision) (changed []string, problems []deploy.Problem) {
	return p.examine(ctx, rev, false)
}

// Glance is Examine for who asks time and again: it runs no command, so nothing is known of what one would print.
func (p *Platform) Glance(rev deploy.Revision) (changed []string, problems []deploy.Problem) {
	return p.examine(context.Background(), rev, true)
}

func (p *Platform) examine(ctx context.Context, rev deploy.Revision, glance bool) (changed []string, problems []deploy.Problem) {
	found, problems := p.find(ctx, rev, nil, glance)
	var r record
	if rev.ID == "" || platform.ReadJSON(filepath.Join(p.revision(rev.Service, rev.ID), recordFile), &r) != nil {
		return nil, problems
	}
	now := p.key.Digests(rev.Service, environment, found)
	for _, at := range slices.Sorted(maps.Keys(now)) {
		if r.Secrets[at] != now[at] {
			changed = append(changed, at)
		}
	}
	return changed, problems
}

// Moved is always false: a process has no image. A program that was built anew under its old name is refused by the checksum of
// the revision.
func (p *Platform) Moved(context.Context, deploy.Revision) (bool, error) { return false, nil }

// warn says what works and is not as secret as it could be.
func (p *Platform) warn(rev deploy.Revision, found secret.Set) {
	for _, w := range found.Warnings {
		p.log.Warn("a secret is not kept well", "service", rev.Service, "revision", rev.ID, "place", w.Path, "warning", w.Message)
	}
}

// wrap puts secrets into a file that has no name and is in memory alone: whoever starts with it as its standard input reads
// them, and when both have closed it, it is gone. Unlike a pipe it takes any length at once.
func wrap(found secret.Set) (*os.File, error) {
	fd, err := unix.MemfdCreate("naru", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("hand over the environment: %w", err)
	}
	file := os.NewFile(uintptr(fd), "environment")
	err = found.Send(file)
	if err == nil {
		_, err = file.Seek(0, 0)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("hand over the environment: %w", err)
	}
	return file, nil
}

// secrets are those that the program was started with, as the kernel remembers them. The health command is given the same:
// to look for them anew with every check would run commands all the time, and find others after a change.
func (i identity) secrets(proc *deploy.Process) (found secret.Set) {
	if proc == nil || !slices.ContainsFunc(slices.Collect(maps.Values(proc.Env)), deploy.Variable.Secret) || !i.alive() {
		return found
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", i.PID))
	if err != nil {
		return found // it has ended, or made itself unreadable
	}
	values := make(map[string]string)
	for pair := range bytes.SplitSeq(text, []byte{0}) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		if proc.Env[string(name)].Secret() {
			values[string(name)] = string(value)
		}
	}
	return found.With(values)
}

// revisionOf is what an instance's spec says of its revision.
func revisionOf(spec deploy.InstanceSpec) deploy.Revision {
	return deploy.Revision{Service: spec.Service, ID: spec.Revision, Version: spec.Version, Settings: spec.Settings}
}
