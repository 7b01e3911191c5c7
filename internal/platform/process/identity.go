//go:build linux

package process

import (
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/procfs"
)

// identity names a process of one boot for ever: a number alone is given out again, a number together with the
// moment of its start (in ticks since boot, field 22 of /proc/PID/stat) is not.
type identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// identify returns the identity of a process that exists, be it a zombie.
func identify(pid int) (identity, error) {
	stat, err := readStat(pid)
	if err != nil {
		return identity{}, err
	}
	return identity{PID: pid, Start: stat.Starttime}, nil
}

// alive reports whether the process still runs. A zombie has ended: it only waits for its parent to notice.
func (i identity) alive() bool {
	if i.PID <= 0 {
		return false
	}
	stat, err := readStat(i.PID)
	return err == nil && stat.Starttime == i.Start && stat.State != "Z" && stat.State != "X"
}

func readStat(pid int) (procfs.ProcStat, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return proc.Stat()
}

// processes reads the table of all processes. One that ends while it is read is left out.
func processes() ([]procfs.ProcStat, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	stats := make([]procfs.ProcStat, 0, len(all))
	for _, proc := range all {
		if stat, err := proc.Stat(); err == nil {
			stats = append(stats, stat)
		}
	}
	return stats, nil
}

// bootID changes with every start of the machine.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
