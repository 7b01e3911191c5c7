package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(file, []byte("MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    1000000 kB\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const each = 400 << 20
	for _, c := range []struct {
		name      string
		instances int
		memory    int64
		file      string
		known, ok bool
	}{
		{"room for two", 2, each, file, true, true},
		{"no room for three", 3, each, file, true, false},
		{"none is started", 0, each, file, false, false},
		{"nobody has measured one", 2, 0, file, false, false},
		{"no such file", 2, each, file + ".no", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			check, known := checkMemory(need{instances: c.instances, memory: c.memory}, c.file)
			if known != c.known || check.OK != c.ok {
				t.Errorf("%+v, %t", check, known)
			}
			if known && !strings.Contains(check.Detail, "419MB each, 1.02GB available") {
				t.Error(check.Detail)
			}
		})
	}
}
