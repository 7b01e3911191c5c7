package deploy

import (
	"encoding"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// comesBack checks that what is written is read again as the same.
func comesBack[T interface {
	comparable
	encoding.TextMarshaler
	fmt.Stringer
}](t *rapid.T, v T, read func([]byte) (T, error)) {
	text, err := v.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	again, err := read(text)
	if err != nil || again != v || string(text) != v.String() {
		t.Fatalf("%#v is written %q and read %#v, %v", v, text, again, err)
	}
}

func TestTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(maxDuration)).Draw(t, "ns"))
		unit := rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit")
		comesBack(t, Duration(d.D().Truncate(unit)), func(b []byte) (v Duration, err error) { err = v.UnmarshalText(b); return })
		share := Share(rapid.IntRange(int(Proportional), int(Whole)).Draw(t, "share"))
		comesBack(t, share, func(b []byte) (v Share, err error) { err = v.UnmarshalText(b); return })
		size := Size(rapid.Int64Range(0, 1<<50).Draw(t, "bytes") >> rapid.IntRange(0, 50).Draw(t, "shift"))
		size <<= rapid.SampledFrom([]int{0, 0, 10}).Draw(t, "unit of bytes")
		comesBack(t, size, func(b []byte) (v Size, err error) { err = v.UnmarshalText(b); return })
	})
}

func TestTextForms(t *testing.T) {
	read := func(kind, text string) string {
		var d Duration
		var share Share
		var size Size
		switch kind {
		case "duration":
			if err := d.UnmarshalText([]byte(text)); err != nil {
				return err.Error()
			}
			return d.String()
		case "share":
			if err := share.UnmarshalText([]byte(text)); err != nil {
				return err.Error()
			}
			return fmt.Sprint(int(share), " ", share)
		default:
			if err := size.UnmarshalText([]byte(text)); err != nil {
				return err.Error()
			}
			return fmt.Sprint(int64(size), " ", size)
		}
	}
	const (
		noDuration = "%q is not a duration: write a number and a unit, such as 250ms, 10s, 5m, 1h30m or 90d"
		noShare    = "%q is not a share: write a percentage from 0%% to 100%%, such as 5%% or 0.1%%"
		tooFine    = "%q is too fine for a share: two decimals are the most, such as 0.25%%"
		noSize     = "%q is not a size: write a number of bytes or a unit, such as 512KiB, 10MB or 1GiB"
	)
	for _, c := range []struct{ kind, text, want string }{
		{"duration", "90d", "2160h"}, {"duration", "0.5d", "12h"}, {"duration", "300s", "5m"}, {"duration", "1h0m30s", "1h0m30s"},
		{"duration", "0", "0s"}, {"duration", "-1s", noDuration}, {"duration", "10", noDuration}, {"duration", "1e300d", noDuration},
		{"duration", "NaNd", noDuration}, {"duration", "", noDuration},
		{"share", "5%", "500 5%"}, {"share", "0.25%", "25 0.25%"}, {"share", "100 %", "10000 100%"}, {"share", "proportional", "-1 proportional"},
		{"share", "0.125%", tooFine}, {"share", "101%", noShare}, {"share", "5", noShare}, {"share", "-5%", noShare}, {"share", "1e1%", noShare}, {"share", "%", noShare},
		{"size", "512KiB", "524288 512KiB"}, {"size", "10 MB", "10000000 10000000"}, {"size", "1.5GiB", "1610612736 1536MiB"}, {"size", "0", "0 0"}, {"size", "7B", "7 7"},
		{"size", "-1", noSize}, {"size", "NaN", noSize}, {"size", "lots", noSize}, {"size", "1e30", noSize},
	} {
		want := c.want
		if want == noDuration || want == noShare || want == tooFine || want == noSize {
			want = fmt.Sprintf(want, c.text)
		}
		if got := read(c.kind, c.text); got != want {
			t.Errorf("%s %q: %s, want %s", c.kind, c.text, got, want)
		}
	}
}

func TestBackoff(t *testing.T) {
	want := []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
	for exits, d := range want {
		if got := backoff(exits); got != d {
			t.Errorf("after %d exits: %s, want %s", exits, got, d)
		}
	}
	if got := backoff(1 << 40); got != 30*time.Second {
		t.Errorf("after very many: %s", got)
	}
}

func TestNumber(t *testing.T) {
	for revision, want := range map[string]int{"r7": 7, "r10": 10, "7": 0, "r": 0, "": 0, "rx": 0} {
		if got := Number(revision); got != want {
			t.Errorf("%q: %d, want %d", revision, got, want)
		}
	}
}
