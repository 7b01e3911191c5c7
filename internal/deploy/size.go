package deploy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes that files and JSON write as people do: "512KiB", "10MB", "1GiB", "4096".
type Size int64

var units = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// String writes s in the largest binary unit that leaves a whole number.
func (s Size) String() string {
	for _, u := range []int{2, 1, 0} {
		if n := int64(units[u].bytes); s != 0 && int64(s)%n == 0 {
			return strconv.FormatInt(int64(s)/n, 10) + units[u].name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Human writes s for people, with about three digits: 34.2MB.
func (s Size) Human() string {
	for _, u := range []int{6, 5, 3} {
		if v := float64(s) / units[u].bytes; v >= 1 {
			return strconv.FormatFloat(v, 'g', 3, 64) + units[u].name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// MarshalText writes the form that UnmarshalText reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a size that is zero or more: a number of bytes, or a number with KiB, MiB, GiB, kB, MB or GB.
func (s *Size) UnmarshalText(text []byte) error {
	t, factor := strings.TrimSpace(string(text)), 1.0
	for _, u := range units {
		if number, ok := strings.CutSuffix(t, u.name); ok {
			t, factor = strings.TrimSpace(number), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || v < 0 || math.IsNaN(v) || v*factor > math.MaxInt64/2 {
		return fmt.Errorf("%q is not a size: write a number of bytes or a unit, such as 512KiB, 10MB or 1GiB", text)
	}
	*s = Size(v * factor)
	return nil
}
