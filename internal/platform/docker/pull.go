package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// progressEvery is the time between two lines about a pull that takes long.
const progressEvery = 5 * time.Second

// pull fetches an image from its registry, with the credentials that docker login has left. It says in words how far it has come.
func (p *Platform) pull(ctx context.Context, name string, say func(words string)) error {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return fmt.Errorf("%q is no image: %w; correct docker.image", name, err)
	}
	registry := reference.Domain(ref)
	auth, err := credentials(ctx, registry)
	if err != nil {
		return fmt.Errorf("pull %s: %w", name, err)
	}
	api, err := p.engine.api()
	if err != nil {
		return err
	}
	p.log.Info("pulling an image", "image", name)
	say("pulling image " + name)
	stream, err := api.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: auth})
	if err == nil {
		defer stream.Close()
		seen := progress{layers: map[string]jsonstream.Progress{}, said: time.Now()}
		for message, fault := range stream.JSONMessages(ctx) {
			if err = fault; err == nil && message.Error != nil {
				err = message.Error
			}
			if err != nil {
				break
			}
			seen.note(message)
			say(seen.words(name))
			if time.Since(seen.said) >= progressEvery {
				seen.said = time.Now()
				p.log.Info(seen.words(name))
			}
		}
	}
	switch {
	case err == nil:
		p.log.Info("pulled an image", "image", name)
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("pull %s: %w", name, refused(err, registry, auth != ""))
}

// refused says why an image could not be pulled. Registries do not tell one that may not be seen from one that is not there.
func refused(err error, registry string, loggedIn bool) error {
	text := words(err)
	lower := strings.ToLower(text)
	has := func(any ...string) bool {
		for _, s := range any {
			if strings.Contains(lower, s) {
				return true
			}
		}
		return false
	}
	switch {
	case client.IsErrConnectionFailed(err):
		return explain(err)
	case has("no space left on device"):
		return fmt.Errorf("%s: the disk of the engine is full; make room, such as by docker image prune, and deploy again", text)
	case has("no matching manifest", "does not match the specified platform"):
		return fmt.Errorf("%s: the image is not made for this machine; build it with --platform, or push it for both", text)
	case has("unauthorized", "no basic auth", "authentication required", "denied", "incorrect username"):
		if loggedIn {
			return fmt.Errorf("%s: the registry %s refuses the credentials, or the image does not exist; run docker login %[2]s as the user that naru serve runs as", text, registry)
		}
		return fmt.Errorf("%s: the registry %s wants credentials, or the image does not exist; run docker login %[2]s as the user that naru serve runs as", text, registry)
	case errdefs.IsNotFound(err), has("not found", "manifest unknown", "name unknown"):
		return fmt.Errorf("%s: there is no such image; push it, or correct docker.image and the version", text)
	case has("no such host", "connection refused", "i/o timeout", "server misbehaving"):
		return fmt.Errorf("%s: the registry %s cannot be reached from the engine; an image that was built here needs no registry when its name and tag are right", text, registry)
	}
	return errors.New(text)
}

// progress adds up what is known of the layers.
type progress struct {
	layers map[string]jsonstream.Progress
	said   time.Time
}

func (p *progress) note(m jsonstream.Message) {
	if m.Progress != nil && m.Progress.Total > 0 && m.Status == "Downloading" {
		p.layers[m.ID] = *m.Progress
	}
	if l, known := p.layers[m.ID]; known && m.Status != "Downloading" { // it is whole, and is looked at and unpacked
		l.Current = l.Total
		p.layers[m.ID] = l
	}
}

// words say how far a pull has come. An image that is small, or here but for its name, is there before there is more to say.
func (p *progress) words(image string) string {
	var done, total int64
	for _, l := range p.layers {
		done, total = done+l.Current, total+l.Total
	}
	switch {
	case total == 0:
		return "pulling image " + image
	case done == total:
		return "unpacking image " + image
	}
	return fmt.Sprintf("pulling image %s: %s of %s MB", image, megabytes(done), megabytes(total))
}

// megabytes writes small images with a decimal.
func megabytes(n int64) string {
	if n < 10e6 {
		return fmt.Sprintf("%.1f", float64(n)/1e6)
	}
	return fmt.Sprint(n / 1e6)
}
