package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// UnmarshalText reads the short form of a step, its share alone: "5%".
func (c *CanaryStep) UnmarshalText(text []byte) error {
	var weight Share
	if err := weight.UnmarshalText(text); err != nil {
		return err
	}
	*c = CanaryStep{Weight: weight}
	return nil
}

// UnmarshalJSON reads both forms of a step: "5%" and {"weight": "5%", …}. An unknown key is an error.
func (c *CanaryStep) UnmarshalJSON(data []byte) error {
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '"' {
		var text string
		if err := json.Unmarshal(trimmed, &text); err != nil {
			return err
		}
		return c.UnmarshalText([]byte(text))
	}
	type object CanaryStep // without this method, so that the decoder does not come back here
	var o object
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return fmt.Errorf("decode canary step: %w", err)
	}
	*c = CanaryStep(o)
	return nil
}
