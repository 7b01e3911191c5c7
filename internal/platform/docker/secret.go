package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/distribution/reference"
	"github.com/moby/moby/client"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
	"github.com/naru-deploy/naru/internal/secret"
)

// Where variables stand in the settings.
const (
	environment = "docker.env"
	envFile     = "docker.env_file"
)

// finding is what a revision takes from outside its settings.
type finding struct {
	secrets secret.Set
	file    map[string]string // of env_file
}

// all are the secrets of both: what stands in an env_file is treated as secret, because much of it is. So are the names there: a line
// of a key that ends in = passes for a variable, so whoever reads a message is told of the file alone.
func (f finding) all() secret.Set {
	return f.secrets.Hiding(envFile, slices.Collect(maps.Values(f.file))...)
}

// find looks for the values of a revision's environment that its settings only point to. names are those of one instance;
// digests are made without any, because they are the revision's. A glance runs no command, and a start none whose answer it is given early.
func find(ctx context.Context, rev deploy.Revision, names, early map[string]string, glance bool) (f finding, problems []deploy.Problem) {
	d := rev.Settings.Docker
	if d == nil {
		return f, nil
	}
	f.secrets, problems = secret.Find(ctx, secret.Ask{Service: rev.Service, At: environment, Env: d.Env, Dir: d.Dir, Fill: names, Early: early, Glance: glance})
	for _, name := range f.secrets.Names() {
		if value, _ := f.secrets.Value(name); !utf8.ValidString(value) {
			problems = append(problems, deploy.Problem{Path: environment + "." + name, Message: "is not UTF-8 text, and the engine takes nothing else: store it as text, such as by base64, or mount its file by docker.volumes"})
		}
	}
	var err error
	if f.file, err = readEnvFile(d.EnvFile); err != nil {
		problems = append(problems, deploy.Problem{Path: envFile, Message: err.Error()})
	}
	return f, problems
}

// digests are what is kept of the values, by their place in the settings. An env_file has one, of its variables: who only
// edits a comment has changed nothing.
func (p *Platform) digests(service string, f finding) map[string]string {
	digests := p.key.Digests(service, environment, f.secrets)
	if f.file != nil {
		var all strings.Builder
		for _, name := range slices.Sorted(maps.Keys(f.file)) {
			fmt.Fprintf(&all, "%s=%s\x00", name, f.file[name])
		}
		digests[envFile] = p.key.Digest(service, envFile, all.String())
	}
	return digests
}

// Examine looks at what a revision takes from outside its settings, now: its secrets and its env_file. problems are what keeps
// instances from being started, by the place in the settings; changed are the places whose value is not what it was when the
// revision was prepared, none for one that is not prepared. No value is among what it says.
func (p *Platform) Examine(ctx context.Context, rev deploy.Revision) (changed []string, problems []deploy.Problem) {
	return p.examine(ctx, rev, false)
}

// Glance is Examine for who asks time and again: it runs no command, so nothing is known of what one would print.
func (p *Platform) Glance(rev deploy.Revision) (changed []string, problems []deploy.Problem) {
	return p.examine(context.Background(), rev, true)
}

func (p *Platform) examine(ctx context.Context, rev deploy.Revision, glance bool) (changed []string, problems []deploy.Problem) {
	found, problems := find(ctx, rev, nil, nil, glance)
	var r record
	if rev.ID == "" || platform.ReadJSON(p.recordFile(rev.Service, rev.ID), &r) != nil {
		return nil, problems
	}
	now := p.digests(rev.Service, found)
	for _, at := range slices.Sorted(maps.Keys(now)) {
		if r.Secrets[at] != now[at] {
			changed = append(changed, at)
		}
	}
	return changed, problems
}

// Moved reports whether the image's name means another image than when the revision was prepared: at the registry, when every
// deploy is to ask there; else on this machine, where somebody may have built or pulled a new one. Of a revision that is not
// prepared nothing is known. It matters to a deploy; whoever goes back wants what the name meant then.
func (p *Platform) Moved(ctx context.Context, rev deploy.Revision) (bool, error) {
	var r record
	if rev.ID == "" || rev.Settings.Docker == nil || platform.ReadJSON(p.recordFile(rev.Service, rev.ID), &r) != nil {
		return false, nil
	}
	if rev.Settings.Docker.Pull != "always" {
		found, err := p.image(ctx, r.Image)
		return found != nil && found.id != r.ID, err
	}
	digest, err := p.published(ctx, r.Image)
	if err != nil {
		return false, fmt.Errorf("docker.pull is always, so the registry was asked whether %s is another image by now: %w", r.Image, err)
	}
	return r.Digest == "" || !strings.HasSuffix(r.Digest, "@"+digest), nil
}

// published is the digest by which a registry has an image now. Nothing of the image is pulled.
func (p *Platform) published(ctx context.Context, name string) (string, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", err
	}
	registry := reference.Domain(ref)
	auth, err := credentials(ctx, registry)
	if err != nil {
		return "", err
	}
	api, err := p.engine.api()
	if err != nil {
		return "", err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	answer, err := api.DistributionInspect(ctx, name, client.DistributionInspectOptions{EncodedRegistryAuth: auth})
	if err != nil {
		return "", refused(err, registry, auth != "")
	}
	return string(answer.Descriptor.Digest), nil
}
