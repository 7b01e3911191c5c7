package docker

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/naru-deploy/naru/internal/deploy"
)

const (
	tailLines = 10
	tailBytes = 2 << 10
)

// lastWords fetches the last lines of a container that has ended, once.
func (p *Platform) lastWords(ctx context.Context, s, before *seen) {
	if s.live() || s.finished.IsZero() {
		return
	}
	if before != nil && before.container == s.container && before.finished.Equal(s.finished) {
		s.last = before.last
		return
	}
	api, err := p.engine.api()
	if err != nil {
		return
	}
	log, err := api.ContainerLogs(ctx, s.container, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: fmt.Sprint(tailLines)})
	if err != nil {
		return // the reason is known without them
	}
	defer log.Close()
	var text bytes.Buffer
	_, _ = stdcopy.StdCopy(&text, &text, log)
	s.last = s.hide.Redact(strings.TrimSpace(text.String())) // before it is cut: of a part nobody would know the rest
	if cut := len(s.last) - tailBytes; cut > 0 {
		s.last = strings.ToValidUTF8(s.last[cut:], "")
	}
}

// reason says how the program ended, with its last words.
func (s *seen) reason() string {
	after := ""
	if !s.started.IsZero() {
		took, round := s.finished.Sub(s.started), time.Second
		if took < 10*time.Second {
			round = 10 * time.Millisecond
		}
		after = fmt.Sprintf(" after %s", took.Round(round))
	}
	text := s.verdict(after)
	if s.last != "" {
		text += "; its last output:\n" + s.last
	}
	return text
}

// verdict reads the exit status, which for a signal is 128 and its number.
func (s *seen) verdict(after string) string {
	signal := unix.Signal(s.exit - 128)
	switch {
	case s.oom && s.memory > 0:
		return fmt.Sprintf("the kernel killed it%s because it ran out of memory: docker.memory allows %s; raise it or let the program use less", after, deploy.Size(s.memory))
	case s.oom:
		return fmt.Sprintf("the kernel killed it%s because the machine ran out of memory; set docker.memory, or run fewer instances", after)
	case s.fault != "":
		return "it could not be started: " + s.fault
	case s.status == container.StateDead:
		return "the engine could not remove its container; docker rm -f it"
	case s.exit > 128 && unix.SignalName(signal) != "":
		text := "it was ended by " + unix.SignalName(signal) + after
		switch {
		case signal == unix.SIGKILL && s.memory > 0: // engines fail to notice now and then
			text += fmt.Sprintf(" (by the kernel if it ran out of memory: docker.memory allows %s; or by docker kill)", deploy.Size(s.memory))
		case signal == unix.SIGKILL:
			text += " (docker kill, or the machine ran out of memory)"
		}
		return text
	}
	return fmt.Sprintf("it ended with exit status %d%s", s.exit, after)
}
