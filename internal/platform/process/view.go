//go:build linux

package process

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// view is what an instance's folder and the kernel say of it at one moment.
type view struct {
	folder   folder
	launch   launch
	state    state
	recorded bool  // there is a state.json
	damaged  error // a file that could not be read
	shim     int   // number of the shim; 0: none lives
	child    bool  // the program lives
	stopping bool
	sameBoot bool
}

// look never fails: what cannot be read is part of the view.
func (p *Platform) look(f folder) view {
	v := view{folder: f}
	// The shim first. It records the end of the program before it goes, so when there is no shim, then what the
	// state says is final; the other way round an end recorded in between would look like one that is lost.
	v.shim = lockHolder(f.lockFile())
	var err error
	if v.launch, err = f.readLaunch(); err != nil {
		v.damaged = err
		v.launch.ID = f.id()
		v.launch.Spec = specOf(f.id())
	}
	if v.state, err = f.readState(); err == nil {
		v.recorded = true
	} else if !missing(err) {
		v.recorded, v.damaged = true, err
	}
	_, err = os.Stat(f.file(stopFile))
	v.stopping = err == nil
	v.sameBoot = v.state.Boot == p.boot
	v.child = v.state.Running && v.sameBoot && v.state.Child.alive()
	return v
}

// live reports whether anything of the instance that is known runs.
func (v view) live() bool { return v.shim != 0 || v.child }

// exists reports whether the instance should be listed. Nothing was ever started when there is neither a state nor
// a shim: the controller was killed before it came to that.
func (v view) exists() bool {
	if v.live() {
		return true
	}
	return v.recorded && !v.stopping
}

// ending reports that the program has ended and its shim not yet: it has to say how, and to go. While an instance
// is being stopped that may take long, since the rest of its processes is given time.
func (v view) ending() bool {
	return v.shim != 0 && v.shim == v.state.Shim.PID && v.sameBoot && !v.child && !v.stopping
}

// lost reports that the program ended and nobody is left who could say how.
func (v view) lost() bool {
	return v.shim == 0 && v.damaged == nil && v.state.Running && v.sameBoot && !v.child && !v.stopping
}

// endingTime is how long a shim may take to record an end: killing what is left of the instance's processes and
// writing a small file.
const endingTime = 2 * time.Second

// observe is look for those who need a settled answer: it waits for an end that is being recorded, and records
// one that nobody else can.
func (p *Platform) observe(ctx context.Context, f folder) view {
	v := p.look(f)
	if v.ending() {
		if h := p.openShim(f); h != nil {
			h.waitFor(ctx, endingTime)
			h.close()
		}
		v = p.look(f)
	}
	if v.lost() {
		v = p.settle(ctx, v)
	}
	return v
}

// settle records that an instance's program and shim are both gone, so that its exits are counted
// and the next start waits as long as after any other crash.
func (p *Platform) settle(ctx context.Context, v view) view {
	unlock, err := p.claim(ctx, v.folder)
	if err != nil {
		return v // a shim was started just now, or the context has ended
	}
	defer unlock()
	if v = p.look(v.folder); !v.lost() {
		return v
	}
	v.state.Lost = true
	v.state.end(time.Now(), "its shim was killed, and the program with it; how it ended is not known")
	if err := v.folder.write(stateFile, v.state); err != nil {
		p.log.Warn("cannot record the end of an instance", "instance", v.launch.ID, "error", err)
	}
	return v
}

// openShim returns a handle on the instance's shim, or nil when it has none.
func (p *Platform) openShim(f folder) *handle {
	pid := lockHolder(f.lockFile())
	if pid == 0 {
		return nil
	}
	h, err := openProcess(pid)
	if err != nil {
		return nil
	}
	if lockHolder(f.lockFile()) != pid { // else it held the lock before and after, so the handle is on it
		h.close()
		return nil
	}
	return h
}

// instance translates the view into what the platform lists.
func (v view) instance() deploy.Instance {
	i := deploy.Instance{
		ID:       v.launch.ID,
		Service:  v.launch.Spec.Service,
		Revision: v.launch.Spec.Revision,
		Slot:     v.launch.Spec.Slot,
		State:    deploy.Exited,
		Exits:    v.state.Exits,
		Ended:    v.state.Ended,
		Reason:   v.state.Reason,
	}
	switch {
	case v.ending():
		if !v.state.Running {
			break // it has said how
		}
		i.Reason = fmt.Sprintf("it has ended; its shim (process %d) has not said how", v.shim)
	case v.live():
		v.describeLive(&i)
	case v.damaged != nil:
		i.Reason = fmt.Sprintf("%v; it is not known what became of the instance", v.damaged)
	case v.state.Running && !v.sameBoot:
		// No fault of the program: nothing counted, nothing to wait for.
		i.Exits, i.Ended, i.Reason = 0, time.Time{}, "the machine was restarted"
	}
	return i
}

func (v view) describeLive(i *deploy.Instance) {
	i.State = deploy.Running
	if v.stopping {
		i.State = deploy.Stopping
	}
	i.Address, i.Started = v.launch.address(), v.state.Started
	if v.child {
		i.PID = v.state.Child.PID
	}
	if !i.Started.IsZero() && time.Since(i.Started) >= soon {
		i.Exits, i.Ended, i.Reason = 0, time.Time{}, ""
	}
	if len(v.launch.Spec.Settings.Health.Command) > 0 {
		checked, err := v.folder.readReady()
		ready := err == nil && v.child && checked == v.state.Child
		i.Ready = &ready
	}
}

var idPattern = regexp.MustCompile(`^(.+)-(r[0-9]+)-([0-9]+)$`)

// specOf reads an instance's name the way deploy.InstanceID writes it, for when nothing else is left to go by.
func specOf(id string) deploy.InstanceSpec {
	m := idPattern.FindStringSubmatch(id)
	if m == nil {
		return deploy.InstanceSpec{}
	}
	slot, _ := strconv.Atoi(m[3])
	return deploy.InstanceSpec{Service: m[1], Revision: m[2], Slot: slot}
}
