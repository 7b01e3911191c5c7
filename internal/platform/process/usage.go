//go:build linux

package process

import (
	"os"
	"sync"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
)

// usage knows what each process group uses of the machine. Reading it means reading the table of all processes,
// a few milliseconds of work, so the answer is kept for a second however often it is asked for.
type usage struct {
	mu     sync.Mutex
	read   time.Time
	groups map[int]figures
	childs map[int]int // parent -> its child with the lowest number
}

type figures struct {
	cpu    time.Duration
	memory int64 // bytes
}

const (
	usageAge = time.Second
	// The kernel reports times in units of 1/100 s on every architecture that Go supports (USER_HZ).
	tick = time.Second / 100
)

// fill adds the figures of the instance's process group: the program and what it has forked.
func (u *usage) fill(i *deploy.Instance, v view) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.read) > usageAge {
		u.refresh()
	}
	if i.PID == 0 { // the state is damaged or not written yet, but the shim has only one child
		i.PID = u.childs[v.shim]
	}
	used := u.groups[i.PID]
	i.CPU, i.Memory = used.cpu, used.memory
}

func (u *usage) refresh() {
	stats, err := processes()
	if err != nil {
		return // figures that are old are better than none
	}
	u.read = time.Now()
	u.groups, u.childs = make(map[int]figures), make(map[int]int)
	for _, s := range stats {
		f := u.groups[s.PGRP]
		// Children that have ended count on in their parent.
		f.cpu += time.Duration(int(s.UTime+s.STime)+s.CUTime+s.CSTime) * tick
		f.memory += int64(s.RSS) * int64(os.Getpagesize())
		u.groups[s.PGRP] = f
		if c, ok := u.childs[s.PPID]; !ok || s.PID < c {
			u.childs[s.PPID] = s.PID
		}
	}
}
