package deploy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Share is a part of a whole in 1/10000: 0 to Whole. Files and JSON write it as a percentage: "5%", "0.25%".
type Share int

const (
	// Whole is all of it: 100 %.
	Whole Share = 10000
	// Proportional says that a revision's part of the traffic is its part of the healthy enabled instances.
	Proportional Share = -1
)

// Percent returns s as a number from 0 to 100.
func (s Share) Percent() float64 { return float64(s) / 100 }

// String writes s as a percentage.
func (s Share) String() string {
	if s == Proportional {
		return "proportional"
	}
	return strconv.FormatFloat(s.Percent(), 'f', -1, 64) + "%"
}

// MarshalText writes the form that UnmarshalText reads.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a percentage from 0% to 100% with at most two decimals.
func (s *Share) UnmarshalText(text []byte) error {
	t := string(text)
	if t == "proportional" {
		*s = Proportional
		return nil
	}
	number, ok := strings.CutSuffix(t, "%")
	number = strings.TrimSuffix(number, " ")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || strings.Trim(number, "0123456789.") != "" || v > 100 {
		return fmt.Errorf("%q is not a share: write a percentage from 0%% to 100%%, such as 5%% or 0.1%%", t)
	}
	if _, decimals, _ := strings.Cut(number, "."); len(decimals) > 2 {
		return fmt.Errorf("%q is too fine for a share: two decimals are the most, such as 0.25%%", t)
	}
	*s = Share(math.Round(v * 100))
	return nil
}
