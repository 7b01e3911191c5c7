package docker

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// usage reads what a container uses from the kernel's own files for its control group, which takes microseconds where the
// engine's statistics take a second. It is nothing where they cannot be read: the engine runs elsewhere.
func usage(pid int) (cpu time.Duration, memory int64) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0
	}
	groups, err := proc.Cgroups()
	if err != nil {
		return 0, 0
	}
	for _, g := range groups {
		if g.Path == "/" || strings.Contains(g.Path, "..") { // naru is in a container itself
			continue
		}
		if g.HierarchyID == 0 && len(g.Controllers) == 0 {
			dir := filepath.Join(cgroups, g.Path)
			memory = max(memory, number(dir, "memory.current")-keyed(dir, "memory.stat", "inactive_file"))
			cpu = max(cpu, time.Duration(keyed(dir, "cpu.stat", "usage_usec"))*time.Microsecond)
		}
		for _, controller := range g.Controllers { // version 1 of control groups
			dir := filepath.Join(cgroups, controller, g.Path)
			switch controller {
			case "memory":
				memory = number(dir, "memory.usage_in_bytes") - keyed(dir, "memory.stat", "total_inactive_file")
			case "cpuacct":
				cpu = time.Duration(number(dir, "cpuacct.usage"))
			}
		}
	}
	return cpu, max(0, memory)
}

const cgroups = "/sys/fs/cgroup"

// number reads a file that holds one number.
func number(dir, name string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// keyed reads the number behind a word in a file of words and numbers.
func keyed(dir, name, word string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, word+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}
