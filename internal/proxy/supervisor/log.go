package supervisor

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// largeLog is how many bytes a proxy's log may have; a larger one is put aside, and the one before it goes. A proxy says a
// line when the health of a backend changes, not with every request.
const largeLog = 10 << 20

// trimEvery is the time between two looks at the log.
const trimEvery = time.Minute

func (s *Supervisor) logFile() string { return filepath.Join(s.o.Dir, "proxy.log") }

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// trim keeps the log from growing without end, whoever has started the proxy.
func (s *Supervisor) trim(ctx context.Context) {
	for ctx.Err() == nil {
		if err := trimLog(s.logFile()); err != nil {
			s.o.Log.Warn("put the proxy's log aside", "error", err)
		}
		wait(ctx, trimEvery)
	}
}

// trimLog puts a large log aside. The proxy has it open for as long as it lives, and only appends: so the file is copied and
// emptied. A line that is written between the two is lost.
func trimLog(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= largeLog {
		return nil // the proxy has not said anything yet, or not much
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	aside := path + ".new"
	out, err := os.OpenFile(aside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = in.Seek(max(0, info.Size()-2*largeLog), io.SeekStart); err == nil { // of one that has grown for months, the end
		_, err = io.Copy(out, in)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(aside))
	}
	if err := os.Rename(aside, path+".1"); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}
