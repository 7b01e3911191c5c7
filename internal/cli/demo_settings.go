//go:build linux

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
)

// Times of the demo, where those of an example are longer.
const (
	demoProbe = 250 * time.Millisecond // between two probes
	demoDrain = 2 * time.Second        // until WebSockets are told to come back
	demoBake  = 2 * time.Second        // of each step; evidence is waited for three times as long
	demoWarm  = 5 * time.Second        // of blue, after the switch
	demoLoad  = 3 * time.Second        // of the load test
)

// Margins of the demo, where those of an example are finer. In a few seconds there are too few requests to exclude a small
// harm, and an instance that has just been started may be slower than an old one by more than a few percent.
const (
	demoErrors  = deploy.Whole / 100
	demoLatency = deploy.Whole / 4
)

// shortened takes over the settings of an example with times and margins that suit a demo, and says which ones it has
// changed.
func shortened(s deploy.Service) (deploy.Service, []string) {
	s = s.Normalise() // a copy that shares no memory
	var said []string
	cut := func(name string, d *deploy.Duration, to time.Duration) {
		if d != nil && d.D() > to {
			said = append(said, fmt.Sprintf("%s %s -> %s", name, *d, deploy.Duration(to)))
			*d = deploy.Duration(to)
		}
	}
	widen := func(name string, p **deploy.Share, to deploy.Share) {
		if *p != nil && **p < to {
			said = append(said, fmt.Sprintf("%s %s -> %s", name, **p, to))
			*p = new(to)
		}
	}
	cut("health.interval", &s.Health.Interval, demoProbe)
	cut("drain_timeout", &s.DrainTimeout, demoDrain)
	if o := s.Strategy.Rolling; o != nil {
		cut("bake", o.Bake, demoBake)
	}
	if o := s.Strategy.BlueGreen; o != nil {
		if o.LoadTest != nil {
			cut("load_test.duration", &o.LoadTest.Duration, demoLoad)
		}
		cut("bake", o.Bake, demoBake)
		cut("scale_down_delay", &o.ScaleDownDelay, demoWarm)
	}
	if o := s.Strategy.Canary; o != nil {
		cut("bake", o.Bake, demoBake)
		for i := range o.Steps {
			cut(fmt.Sprintf("steps[%d].bake", i), o.Steps[i].Bake, demoBake)
		}
	}
	widen("margins.errors", &s.Analysis.Margins.Errors, demoErrors)
	widen("margins.latency", &s.Analysis.Margins.Latency, demoLatency)
	return s, said
}

// configure writes the naru.yaml of a scenario: the example's own with shorter times, other addresses, and the program
// that was built for the demo.
func (d *demo) configure(root string, one scenario, folder string) (*config.File, error) {
	origin := filepath.Join(root, "examples", one.name, "naru.yaml")
	file, err := config.Load(origin)
	if err != nil {
		return nil, err
	}
	settings, said := shortened(file.Services[one.name])
	if settings.Process == nil {
		return nil, fmt.Errorf("%s has no process in its service %s, which the demo could run", origin, one.name)
	}
	settings.Process.Dir = d.programs()
	http, admin, err := freeAddresses()
	if err != nil {
		return nil, err
	}
	text, err := written(settings, one.name, http, admin)
	if err != nil {
		return nil, fmt.Errorf("write the settings of %s: %w", one.name, err)
	}
	head := fmt.Sprintf("# Made by naru demo from %s.\n# Shortened and widened: %s.\n\n", origin, strings.Join(said, ", "))
	path := filepath.Join(folder, "naru.yaml")
	if err := os.WriteFile(path, append([]byte(head), text...), 0o600); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	d.item("file", "examples/"+one.name+"/naru.yaml with shorter times and wider margins: "+strings.Join(said, ", "))
	return config.Load(path)
}

// written is a naru.yaml with one service. The settings have the same names in JSON and in the file.
func written(s deploy.Service, name, http, admin string) ([]byte, error) {
	type server struct {
		HTTP  []string `json:"http"`
		Admin string   `json:"admin"`
		State string   `json:"state"`
	}
	text, err := json.Marshal(struct {
		Server   server                    `json:"server"`
		Services map[string]deploy.Service `json:"services"`
	}{server{[]string{http}, admin, ".naru"}, map[string]deploy.Service{name: s}})
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}

// freeAddresses finds two addresses on loopback that nobody listens on now.
func freeAddresses() (one, other string, err error) {
	var found [2]string
	for i := range found {
		l, err := listen("127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close() // both stay taken until both are found, so they differ
		found[i] = l.Addr().String()
	}
	return found[0], found[1], nil
}
