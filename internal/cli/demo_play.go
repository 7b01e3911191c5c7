//go:build linux

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// demoLinger is how long the users go on before and after a rollout.
const demoLinger = time.Second

// play plays a scenario from the start of naru serve to its end. Its error is one that keeps the story from being told;
// what users had to suffer stands in the result.
func (d *demo) play(ctx context.Context, root string, one scenario) (result demoResult, err error) {
	folder := filepath.Join(d.folder, one.name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return demoResult{}, fmt.Errorf("make a folder: %w", err)
	}
	d.say("%s\n", filled(one.about))
	file, err := d.configure(root, one, folder)
	if err != nil {
		return demoResult{}, err
	}
	st, err := d.open(ctx, folder, file)
	if err != nil {
		return demoResult{}, err
	}
	defer func() { err = errors.Join(err, st.close(ctx, ctx.Err() != nil)) }()
	d.item("serve", fmt.Sprintf("naru serve listens on http://%s for users, on http://%s for commands", file.Server.HTTP[0], file.Server.Admin))
	if err := st.begin(ctx, one); err != nil {
		return demoResult{}, err
	}
	result = demoResult{Scenario: one.name, Strategy: one.strategy, Problems: []string{}}
	from := one.first
	for _, a := range one.acts {
		r, err := st.act(ctx, one, a, from)
		if err != nil {
			return demoResult{}, err
		}
		result.add(r, a)
		if r.Receipt.Outcome == deploy.Promoted {
			from = a.version
		}
	}
	for _, hint := range one.hints {
		d.item("note", hint)
	}
	return result, nil
}

// begin brings the first version up, which nobody uses yet.
func (st *stage) begin(ctx context.Context, one scenario) error {
	began := time.Now()
	var out bytes.Buffer
	status, err := st.run(ctx, &out, "deploy", one.name, one.first)
	if err == nil && status != done {
		err = fmt.Errorf("deploy of %s, the first version: exit %d\n%s", one.first, status, out.Bytes())
	}
	if err != nil {
		return err
	}
	st.demo.item("first", fmt.Sprintf("naru deploy %s %s: %s up after %s", one.name, one.first,
		plural(st.file.Services[one.name].Instances, "instance"), time.Since(began).Round(100*time.Millisecond)))
	return nil
}

// act carries the users to a version, or lets naru find out that they should not go there.
func (st *stage) act(ctx context.Context, one scenario, a act, from string) (demoRollout, error) {
	d := st.demo
	if a.about != "" {
		d.say("\n%s\n", filled(a.about))
	}
	r := demoRollout{From: from, To: a.version}
	users := st.invite(ctx, one)
	defer users.stop()
	d.item("users", users.words())
	if err := st.roll(ctx, one, a, &r); err != nil {
		return r, err
	}
	users.stop()
	r.Users, r.load, r.members = users.report()
	d.say("")
	d.item("users", r.answers())
	if r.members != nil {
		d.item("", r.sockets())
	}
	return r, nil
}

// roll shows the plan, deploys, and sees to what follows, while the users go on.
func (st *stage) roll(ctx context.Context, one scenario, a act, r *demoRollout) (err error) {
	if err := pause(ctx, demoLinger); err != nil {
		return err
	}
	if !a.samePlan {
		if _, err := st.show(ctx, "plan", one.name, a.version); err != nil {
			return err
		}
	}
	if r.Exit, err = st.show(ctx, "deploy", one.name, a.version); err != nil {
		return err
	}
	if r.Receipt, err = st.receipt(ctx, one.name); err != nil {
		return err
	}
	if a.idle && r.Exit == done {
		if err := st.wane(ctx, one); err != nil {
			return err
		}
	}
	return pause(ctx, demoLinger)
}

// show runs a command as a user would, for everybody to see.
func (st *stage) show(ctx context.Context, args ...string) (status int, err error) {
	st.demo.say("\n$ naru %s", strings.Join(args, " "))
	lines := folding{out: st.demo.out}
	defer lines.flush()
	return st.run(ctx, &lines, args...)
}

// receipt is that of the last rollout.
func (st *stage) receipt(ctx context.Context, service string) (deploy.Receipt, error) {
	all, err := st.client.Rollouts(ctx, service)
	if err != nil {
		return deploy.Receipt{}, err
	}
	if len(all) == 0 {
		return deploy.Receipt{}, fmt.Errorf("%s has no rollout to show", service)
	}
	return st.client.Receipt(ctx, service, all[len(all)-1].ID)
}

// wane shows the old version standing by, and waits until it is stopped.
func (st *stage) wane(ctx context.Context, one scenario) error {
	d := st.demo
	if _, err := st.show(ctx, "status", one.name); err != nil {
		return err
	}
	status, err := st.client.Status(ctx, one.name)
	if err != nil {
		return err
	}
	if len(status.Obligations) == 0 {
		return fmt.Errorf("nothing of the old version stands by: %+v", status)
	}
	d.say("")
	d.item("blue", fmt.Sprintf("stands by: until %s, naru rollback %s would switch back at once", clock(status.Obligations[0].Due), one.name))
	err = st.until(ctx, demoWarm+stageEnd, "blue to be stopped", func(ctx context.Context) error {
		status, err := st.client.Status(ctx, one.name)
		if err == nil && (len(status.Obligations) > 0 || len(status.Instances) != status.Wanted) {
			err = fmt.Errorf("%s run, and %d are wanted", plural(len(status.Instances), "instance"), status.Wanted)
		}
		return err
	})
	if err == nil {
		d.item("", fmt.Sprintf("%s blue was stopped, and the shop runs on %s again", clock(time.Now()), plural(status.Wanted, "instance")))
	}
	return err
}

// pause lets the users be for a moment.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
