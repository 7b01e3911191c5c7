package deploy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that files and JSON write as people do: "250ms", "10s", "1h30m", "90d".
type Duration time.Duration

// D returns d as a time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String writes d in the shortest of the forms that UnmarshalText reads: 5m, not 5m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the form that UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration that is zero or more: the units of time.ParseDuration, and d for 24 hours.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	v, err := parseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration: write a number and a unit, such as 250ms, 10s, 5m, 1h30m or 90d", s)
	}
	*d = Duration(v)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * 24 * float64(time.Hour)), err
	}
	return time.ParseDuration(s)
}
