package platformtest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// examiner is what platforms offer beside the port, for those who ask before they act.
type examiner interface {
	Readiness(rev deploy.Revision) error
	Examine(ctx context.Context, rev deploy.Revision) (changed []string, problems []deploy.Problem)
	Glance(rev deploy.Revision) (changed []string, problems []deploy.Problem)
}

// withEnv adds variables to settings, and returns where their names begin.
func withEnv(s deploy.Service, env map[string]deploy.Variable) (deploy.Service, string) {
	if s.Docker != nil {
		d := *s.Docker
		d.Env = merged(d.Env, env)
		s.Docker = &d
		return s, "docker.env."
	}
	p := *s.Process
	p.Env = merged(p.Env, env)
	s.Process = &p
	return s, "process.env."
}

func merged(into, from map[string]deploy.Variable) map[string]deploy.Variable {
	all := make(map[string]deploy.Variable)
	for _, env := range []map[string]deploy.Variable{into, from} {
		for name, v := range env {
			all[name] = v
		}
	}
	return all
}

// secretFile writes a secret and returns its path.
func (w *world) secretFile(value string) string {
	w.Helper()
	path := filepath.Join(w.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(value+"\n"), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// holding lists what shows one of the values: files below the platform's folder, and arguments of processes.
func (w *world) holding(values ...string) (found []string) {
	w.Helper()
	look := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			return // it is gone by now
		}
		for _, v := range values {
			if bytes.Contains(text, []byte(v)) {
				found = append(found, fmt.Sprintf("%s holds %s", path, v))
			}
		}
	}
	err := filepath.WalkDir(w.Dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			look(path)
		}
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range processes {
		look(path)
	}
	return found
}

func secrets(w *world) {
	w.Setenv("OF_SERVE", "of-the-server-8841")
	long := strings.Repeat("key-in-lines-5520\n", 5000) // more than a pipe takes at once
	settings, _ := withEnv(w.Service(Echo), map[string]deploy.Variable{
		"FROM_FILE": {File: w.secretFile("of-a-file-3317 ${VERSION}")}, "LONG": {File: w.secretFile(long)},
		"FROM_COMMAND": {Command: []string{"sh", "-c", "printf of-a-com; printf 'mand-9902\\n'"}},
		"FROM_SERVE":   {Text: "${VERSION}/${env:OF_SERVE}/$${env:OF_SERVE}"}, "PLAIN": {Text: "plain-1213"},
	})
	rev := w.prepare("chat", 1, settings)
	id := w.start(rev, 1)
	answer := w.ask(w.await(id, deploy.Running).Address)
	for _, want := range []string{"FROM_FILE=of-a-file-3317 ${VERSION}", "FROM_COMMAND=of-a-command-9902", "FROM_SERVE=1.0/of-the-server-8841/${env:OF_SERVE}", "PLAIN=plain-1213", "LONG=" + long} {
		if !slices.Contains(answer.Env, want) {
			w.Errorf("the program lacks %.40s among %.1000q", want, answer.Env)
		}
	}
	values := []string{"of-a-file-3317", "of-a-command-9902", "of-the-server-8841", "key-in-lines-5520"}
	if found := w.holding(values...); found != nil {
		w.Errorf("secrets that can be found: %q", found)
	}
	if w.holding("plain-1213") == nil && settings.Docker == nil { // or this test could not fail
		w.Error("not even a value that is no secret is found")
	}
	again := w.Again()
	if err := again.Stop(w.Context(), id, 0); err != nil {
		w.Fatal(err)
	}
	_, spec := w.spec(rev, 1)
	if err := again.Start(w.Context(), id, spec); err != nil {
		w.Fatal(err)
	}
	if answer = w.ask(w.await(id, deploy.Running).Address); !slices.Contains(answer.Env, "FROM_COMMAND=of-a-command-9902") {
		w.Errorf("a restarted controller gives the program %.1000q", answer.Env)
	}
	if found := w.holding(values...); found != nil {
		w.Errorf("secrets that can be found after a restart: %q", found)
	}
}

func missingSecret(w *world) {
	path := w.secretFile("there-for-now-7716")
	settings, at := withEnv(w.Service(Echo), map[string]deploy.Variable{"SECRET": {File: path}})
	rev := w.prepare("chat", 1, settings)
	id := w.start(rev, 1)
	w.await(id, deploy.Running)
	if err := os.Remove(path); err != nil {
		w.Fatal(err)
	}
	x := w.Platform.(examiner)
	says := at + "SECRET.file: " + path + " does not exist on the machine that naru serves on"
	next := rev
	next.ID, next.Version = "r2", "2.0"
	for name, err := range map[string]error{"Readiness": x.Readiness(rev), "Prepare": w.Platform.Prepare(w.Context(), rev), "Prepare of the next": w.Platform.Prepare(w.Context(), next)} {
		if err == nil || !strings.Contains(err.Error(), says) {
			w.Errorf("%s says %v, want %s", name, err, says)
		}
	}
	if _, problems := x.Examine(w.Context(), next); len(problems) != 1 || problems[0].Path != at+"SECRET.file" {
		w.Errorf("Examine says %v", problems)
	}
	if i := w.find(id); i == nil || i.State != deploy.Running {
		w.Errorf("the instance that runs has become %+v", i)
	}
	w.stop(id, 0)
	w.start(rev, 1)
	if i := w.await(id, deploy.Exited); !strings.Contains(i.Reason, says) || i.Exits != 1 {
		w.Errorf("a start without the secret is listed as %+v", i)
	}
	if err := os.WriteFile(path, []byte("there-again-7716"), 0o600); err != nil {
		w.Fatal(err)
	}
	w.start(rev, 1)
	if answer := w.ask(w.await(id, deploy.Running).Address); !slices.Contains(answer.Env, "SECRET=there-again-7716") {
		w.Errorf("the program has %q", answer.Env)
	}
}

func changedSecret(w *world) {
	path := w.secretFile("first-4471")
	settings, at := withEnv(w.Service(Echo), map[string]deploy.Variable{"SECRET": {File: path}, "OTHER": {Command: []string{"echo", "x"}}})
	rev := w.prepare("chat", 1, settings)
	x := w.Platform.(examiner)
	if changed, problems := x.Examine(w.Context(), rev); changed != nil || problems != nil {
		w.Errorf("nothing has happened: %q, %v", changed, problems)
	}
	if err := os.WriteFile(path, []byte("second-4471\n"), 0o600); err != nil {
		w.Fatal(err)
	}
	for _, x := range []examiner{x, w.Again().(examiner)} {
		if changed, problems := x.Examine(w.Context(), rev); !slices.Equal(changed, []string{at + "SECRET"}) || problems != nil {
			w.Errorf("changed: %q, %v", changed, problems)
		}
	}
	if err := x.Readiness(rev); err != nil {
		w.Errorf("a value that has changed is no obstacle: %v", err)
	}
	if changed, problems := x.Glance(rev); !slices.Equal(changed, []string{at + "SECRET"}) || problems != nil {
		w.Errorf("at a glance: %q, %v", changed, problems)
	}
	if answer := w.ask(w.await(w.start(rev, 1), deploy.Running).Address); !slices.Contains(answer.Env, "SECRET=second-4471") {
		w.Errorf("the program has %q", answer.Env)
	}
	unknown := rev
	unknown.ID = ""
	if changed, problems := x.Examine(w.Context(), unknown); changed != nil || problems != nil {
		w.Errorf("of a revision that is none yet: %q, %v", changed, problems)
	}
}

// glance: what is asked time and again runs no command, and finds out what can be found without.
func glance(w *world) {
	dir := w.TempDir()
	script := filepath.Join(dir, "print.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho ran >>"+dir+"/runs\necho value-8817\n"), 0o700); err != nil {
		w.Fatal(err)
	}
	file := w.secretFile("there-0183")
	settings, at := withEnv(w.Service(Echo), map[string]deploy.Variable{"SECRET": {Command: []string{script}}, "GONE": {File: file}})
	rev := w.prepare("chat", 1, settings)
	x := w.Platform.(examiner)
	before, err := os.ReadFile(dir + "/runs")
	if err != nil {
		w.Fatal(err)
	}
	if err := x.Readiness(rev); err != nil {
		w.Error(err)
	}
	if changed, problems := x.Glance(rev); changed != nil || problems != nil {
		w.Errorf("changed: %q, problems: %v", changed, problems)
	}
	if after, err := os.ReadFile(dir + "/runs"); err != nil || !bytes.Equal(after, before) {
		w.Errorf("the command was run: %q after %q, %v", after, before, err)
	}
	for _, path := range []string{script, file} {
		if err := os.Remove(path); err != nil {
			w.Fatal(err)
		}
	}
	_, problems := x.Glance(rev)
	if len(problems) != 2 || problems[0].Path != at+"GONE.file" || problems[1].Path != at+"SECRET.command" {
		w.Errorf("a file and a program that are gone: %v", problems)
	}
	if err := x.Readiness(rev); err == nil {
		w.Error("and it is ready all the same")
	}
}

// early: what a command has printed for Prepare is what the start is given that follows, so that nobody waits for it then. The
// next start asks.
func early(w *world) {
	dir := w.TempDir()
	script := filepath.Join(dir, "print.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho ran >>"+dir+"/runs\nprintf 'value-%s\\n' $(wc -l <"+dir+"/runs)\n"), 0o700); err != nil {
		w.Fatal(err)
	}
	settings, _ := withEnv(w.Service(Echo), map[string]deploy.Variable{"SECRET": {Command: []string{script}}})
	rev := w.prepare("chat", 1, settings)
	if changed, problems := w.Platform.(examiner).Examine(w.Context(), rev); len(changed) != 1 || problems != nil { // who only asks, asks anew
		w.Errorf("changed: %q, problems: %v", changed, problems)
	}
	id := deploy.InstanceID(rev.Service, rev.ID, 1)
	for _, want := range []string{"SECRET=value-1", "SECRET=value-3"} {
		w.start(rev, 1)
		if answer := w.ask(w.await(id, deploy.Running).Address); !slices.Contains(answer.Env, want) {
			w.Errorf("the program lacks %s among %q", want, answer.Env)
		}
		w.stop(id, 0)
	}
	if err := w.Platform.Prepare(w.Context(), rev); err != nil { // to come back, as a revision that is prepared already
		w.Fatal(err)
	}
	w.start(rev, 1)
	if answer := w.ask(w.await(id, deploy.Running).Address); !slices.Contains(answer.Env, "SECRET=value-4") {
		w.Errorf("the program lacks SECRET=value-4 among %q", answer.Env)
	}
	if found := w.holding("value-4"); found != nil {
		w.Errorf("secrets that can be found: %q", found)
	}
}

func redacted(w *world) {
	const value = "swordfish-6630"
	settings, _ := withEnv(w.Service(Confess), map[string]deploy.Variable{"SECRET": {File: w.secretFile(value)}})
	id := w.start(w.prepare("chat", 1, settings), 1)
	i := w.await(id, deploy.Exited)
	if !strings.Contains(i.Reason, "exit status 3") || !strings.Contains(i.Reason, "cannot log in as ada:[SECRET]@db") || strings.Contains(i.Reason, value) {
		w.Errorf("the reason is %q", i.Reason)
	}
	for _, found := range w.holding(value) {
		if !strings.Contains(found, "/logs/") { // what the program itself has printed
			w.Error(found)
		}
	}
}
