package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/naru-deploy/naru/internal/api"
)

// shell is what every command works with: the streams, and the flags that all commands share.
type shell struct {
	in       io.Reader
	out, err io.Writer

	admin     string // --admin or NARU_ADMIN; empty: not said
	tokenFile string // --token-file or NARU_TOKEN_FILE; empty: not said
	json      bool
}

// client speaks to the server that the flags name, or else to the one that the file does; both arguments may be empty.
func (s *shell) client(admin, tokenFile string) (*api.Client, error) {
	if s.admin != "" {
		admin = s.admin
	}
	if s.tokenFile != "" {
		tokenFile = s.tokenFile
	}
	token := ""
	if tokenFile != "" {
		text, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the server's token: %w; name another file with --token-file", err)
		}
		token = strings.TrimSpace(string(text))
	}
	return &api.Client{Addr: admin, Token: token, Who: whoami()}, nil
}

// object prints one JSON object on a line of its own.
func (s *shell) object(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s\n", text)
	return err
}

// say prints a line for people; with --json it prints nothing.
func (s *shell) say(format string, a ...any) {
	if !s.json {
		fmt.Fprintf(s.out, format+"\n", a...)
	}
}

// terminal reports whether somebody sits there who can answer. /dev/null is a character device as well, and what a
// script's commands are given to read from.
func (s *shell) terminal() bool {
	f, ok := s.in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
