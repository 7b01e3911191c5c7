package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Holder names the process that listens on a port of this machine, as " by NAME (pid N)", as far as /proc shows it;
// otherwise nothing.
func Holder(port int) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if pid := owner(inode(table, port)); pid != "" {
			command, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf(" by %s (pid %s)", strings.TrimSpace(string(command)), pid)
		}
	}
	return ""
}

// inode finds the listening socket of a port in the kernel's table (proc(5), /proc/net/tcp: state 0A is LISTEN).
func inode(table string, port int) string {
	text, err := os.ReadFile(table)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			return f[9]
		}
	}
	return ""
}

// owner finds the process that has a socket open.
func owner(inode string) string {
	if inode == "" {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			return strings.Split(link, "/")[2]
		}
	}
	return ""
}
