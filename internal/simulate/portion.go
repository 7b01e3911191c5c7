package simulate

import (
	"fmt"
	"strconv"
	"strings"
)

// Portion is a part of a whole from 0 to 1 that people write as a percentage: "0.1%", "5%", "100%".
type Portion float64

// String writes p as a percentage.
func (p Portion) String() string {
	return strconv.FormatFloat(100*float64(p), 'g', 6, 64) + "%"
}

// MarshalText writes the form that UnmarshalText reads.
func (p Portion) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a percentage from 0% to 100%.
func (p *Portion) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	v, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) || strings.Trim(number, "0123456789.") != "" {
		return fmt.Errorf("%q is not a share: write a percentage from 0%% to 100%%, such as 0.1%%", text)
	}
	*p = Portion(v / 100)
	return nil
}
