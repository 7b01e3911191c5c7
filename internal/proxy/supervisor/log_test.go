package supervisor

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The proxy goes on writing to the file that it has opened, and finds its place.
func TestLargeLogIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy.log")
	if err := trimLog(path); err != nil {
		t.Errorf("there is no log yet: %v", err)
	}
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	write := func(text []byte) {
		t.Helper()
		if _, err := log.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := trimLog(path); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) []byte {
		text, _ := os.ReadFile(name)
		return text
	}
	write([]byte("first\n"))
	if got := read(path); string(got) != "first\n" {
		t.Errorf("a small log was changed: %q", got)
	}
	many := bytes.Repeat([]byte("a line of a proxy that has much to say\n"), largeLog/38)
	write(many)
	write([]byte("next\n"))
	if got := read(path); string(got) != "next\n" {
		t.Errorf("the log has %d bytes, and should begin anew", len(got))
	}
	if got := read(path + ".1"); !bytes.Equal(got, append([]byte("first\n"), many...)) {
		t.Errorf("put aside were %d bytes of %d", len(got), len(many)+6)
	}
	write(many)
	write(many)
	names, _ := filepath.Glob(path + "*")
	if len(names) != 2 {
		t.Errorf("there are %v", names)
	}
}
