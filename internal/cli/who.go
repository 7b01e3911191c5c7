package cli

import (
	"os"
	"os/user"
)

// whoami names who uses a command, for history: NARU_USER, which a pipeline may set to whoever has started it, else the
// user of this machine, or who was that before sudo.
func whoami() string {
	name := os.Getenv("NARU_USER")
	if name == "" {
		name = os.Getenv("SUDO_USER")
	}
	if me, err := user.Current(); name == "" && err == nil {
		name = me.Username
	}
	return trimmed(name, 100)
}

// trimmed cuts a text to so many characters, without those that cannot be in a header.
func trimmed(text string, most int) string {
	var out []rune
	for _, r := range text {
		if r >= ' ' && r != 0x7f && len(out) < most {
			out = append(out, r)
		}
	}
	return string(out)
}
