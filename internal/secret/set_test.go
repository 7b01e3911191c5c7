package secret

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	t.Setenv("PART", "p4ssw0rd")
	var s Set
	s.add("PIN", "123")
	s.add("SHORT", "word")
	s.add("LONG", "password")
	s.add("URL", "postgres://u:p4ssw0rd@db", "p4ssw0rd")
	s.add("KEY", "-----BEGIN-----\n  abcdefgh\nxy\n-----END-----")
	for text, want := range map[string]string{
		"":                            "",
		"nothing of interest":         "nothing of interest",
		"the password is a word":      "the [LONG] is a [SHORT]",
		"at postgres://u:p4ssw0rd@db": "at postgres://u:[URL]@db",
		"123":                         "123", // too short to be told from chance
		"line abcdefgh of a key, xy":  "line [KEY] of a key, xy",
		"-----BEGIN-----\n  abcdefgh\nxy\n-----END-----": "[KEY]",
	} {
		if got := s.Redact(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := (Set{}).Redact("password"); got != "password" {
		t.Error(got)
	}
}

func TestSendAndReceive(t *testing.T) {
	var s, empty Set
	s.add("A", "\xff\x01 "+strings.Repeat("x", 100_000))
	s.add("B", "all of it", "it")
	var b bytes.Buffer
	if err := s.Send(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Receive(&b)
	if err != nil || got.String() != "A, B" {
		t.Fatal(got, err)
	}
	for _, name := range s.Names() {
		want, _ := s.Value(name)
		if v, _ := got.Value(name); v != want {
			t.Errorf("%s is not what it was", name)
		}
	}
	if text := got.Redact("all of it, all of all"); text != "all of it, all of all" { // "it" is too short
		t.Error(text)
	}
	if got, err = Receive(strings.NewReader("")); err != nil || got.String() != empty.String() {
		t.Error(got, err)
	}
	if _, err = Receive(strings.NewReader("{")); err == nil {
		t.Error("half of it is accepted")
	}
}

func TestWith(t *testing.T) {
	var s Set
	s.add("A", "own value")
	both := s.With(map[string]string{"A": "of the file", "B": "another"})
	a, _ := both.Value("A")
	b, _ := both.Value("B")
	if a != "own value" || b != "another" || s.String() != "A" {
		t.Errorf("%q %q, and before %s", a, b, s)
	}
}

func TestHiding(t *testing.T) {
	var s Set
	s.add("A", "own value")
	more := s.Hiding("file", "own value", "of the file")
	if got := more.Redact("own value of the file"); got != "[A] [file]" || more.String() != "A" || s.Redact("of the file") != "of the file" {
		t.Errorf("%q, %s, and before %s", got, more, s.Redact("of the file"))
	}
}

func TestDigests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	one, err := OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenKey(path + "2")
	if err != nil {
		t.Fatal(err)
	}
	digest := one.Digest("chat", "process.env.A", "value")
	if again.Digest("chat", "process.env.A", "value") != digest {
		t.Error("the same value has another digest after a restart")
	}
	for name, d := range map[string]string{
		"another value": one.Digest("chat", "process.env.A", "value2"), "another place": one.Digest("chat", "process.env.B", "value"), "another service": one.Digest("shop", "process.env.A", "value"),
		"another key": other.Digest("chat", "process.env.A", "value"), "parts that join alike": one.Digest("cha", "tprocess.env.A", "value"),
	} {
		if d == digest {
			t.Errorf("%s has the same digest", name)
		}
	}
	var s Set
	s.add("A", "value")
	if got := one.Digests("chat", "process.env", s); len(got) != 1 || got["process.env.A"] != digest {
		t.Error(got)
	}
}
