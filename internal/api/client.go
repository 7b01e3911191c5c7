package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/engine"
)

// DefaultAddr is where a server listens unless its file says otherwise.
const DefaultAddr = "127.0.0.1:7070"

// Client speaks to a server. Its errors are of type *Error where the server refused or did not answer.
type Client struct {
	Addr  string // host:port; empty: DefaultAddr
	Token string // of a server that is not on this machine
	Who   string // asks, for history; may be empty

	http http.Client
}

// Services returns the status of every service.
func (c *Client) Services(ctx context.Context) ([]engine.Status, error) {
	var out services
	err := c.call(ctx, http.MethodGet, "/v1/services", nil, &out)
	return out.Services, err
}

// Status returns the status of one service.
func (c *Client) Status(ctx context.Context, service string) (out engine.Status, err error) {
	return out, c.call(ctx, http.MethodGet, of(service), nil, &out)
}

// Revisions returns the kept revisions of a service, oldest first.
func (c *Client) Revisions(ctx context.Context, service string) ([]engine.KeptRevision, error) {
	var out revisions
	err := c.call(ctx, http.MethodGet, of(service, "revisions"), nil, &out)
	return out.Revisions, err
}

// Rollouts returns the rollouts of a service, oldest first.
func (c *Client) Rollouts(ctx context.Context, service string) ([]Rollout, error) {
	var out rollouts
	err := c.call(ctx, http.MethodGet, of(service, "rollouts"), nil, &out)
	return out.Rollouts, err
}

// Rollout returns one rollout; "latest" is the last.
func (c *Client) Rollout(ctx context.Context, service, id string) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodGet, of(service, "rollouts", id), nil, &out)
}

// Receipt returns the receipt of a rollout that has ended.
func (c *Client) Receipt(ctx context.Context, service, id string) (out deploy.Receipt, err error) {
	return out, c.call(ctx, http.MethodGet, of(service, "rollouts", id, "receipt"), nil, &out)
}

// Deploy begins the rollout of a version.
func (c *Client) Deploy(ctx context.Context, service string, d Deployment) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "rollouts"), d, &out)
}

// Plan returns the steps that a rollout would take.
func (c *Client) Plan(ctx context.Context, service string, d Deployment) (out deploy.Plan, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "plan"), d, &out)
}

// Promote counts this step's gate as passed; full: all remaining ones.
func (c *Client) Promote(ctx context.Context, service string, full bool) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "promote"), Promotion{full}, &out)
}

// Pause stops the open rollout where it is.
func (c *Client) Pause(ctx context.Context, service string) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "pause"), nil, &out)
}

// Resume lets a paused rollout go on.
func (c *Client) Resume(ctx context.Context, service string) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "resume"), nil, &out)
}

// Abort rolls the open rollout back.
func (c *Client) Abort(ctx context.Context, service, reason string) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "abort"), Word{reason}, &out)
}

// Retry begins the last failed rollout anew.
func (c *Client) Retry(ctx context.Context, service string) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "retry"), nil, &out)
}

// Rollback goes back to an earlier revision.
func (c *Client) Rollback(ctx context.Context, service string, to Return) (out Rollout, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "rollback"), to, &out)
}

// Drill tries out a rollback to a revision; empty: where Rollback would go. It returns when that is over.
func (c *Client) Drill(ctx context.Context, service, revision string) (out engine.DrillReport, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "drill"), Which{revision}, &out)
}

// Pin keeps a revision for good.
func (c *Client) Pin(ctx context.Context, service, revision string) (out Pins, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "pin"), Which{revision}, &out)
}

// Unpin keeps a revision no longer than others.
func (c *Client) Unpin(ctx context.Context, service, revision string) (out Pins, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "unpin"), Which{revision}, &out)
}

// Garbage returns what nobody needs any more.
func (c *Client) Garbage(ctx context.Context) (out engine.Collection, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/garbage", nil, &out)
}

// Collect removes what nobody needs any more.
func (c *Client) Collect(ctx context.Context) (out engine.Collection, err error) {
	return out, c.call(ctx, http.MethodPost, "/v1/garbage", nil, &out)
}

// Scale changes how many instances run.
func (c *Client) Scale(ctx context.Context, service string, n int) (out engine.Status, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "scale"), Scaling{n}, &out)
}

// Remove drains a service and forgets it. It returns the last status at once: the service is gone when Status says so.
func (c *Client) Remove(ctx context.Context, service string) (out engine.Status, err error) {
	return out, c.call(ctx, http.MethodPost, of(service, "remove"), nil, &out)
}

// Down drains and stops everything; now: without draining.
func (c *Client) Down(ctx context.Context, now bool) error {
	return c.call(ctx, http.MethodPost, "/v1/down", Ending{now}, &ended{})
}

// of is the path of something of a service.
func of(service string, more ...string) string {
	path := "/v1/services/" + url.PathEscape(service)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

// call sends a request with a JSON body and reads the JSON answer.
func (c *Client) call(ctx context.Context, method, path string, body, out any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("write request: %w", err)
		}
	}
	answer, err := c.open(ctx, method, path, text, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(out); err != nil {
		return c.lost(fmt.Errorf("read the answer of %s: %w", path, err))
	}
	return nil
}

// open sends a request and returns the body of a good answer.
func (c *Client) open(ctx context.Context, method, path string, body []byte, header http.Header) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	if c.Who != "" {
		r.Header.Set("Naru-User", c.Who)
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, c.lost(err)
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	return nil, readError(answer)
}

// readError makes an error of an answer that is none of ours as well.
func readError(answer *http.Response) error {
	var v envelope
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxBody)) // what can be read is shown
	if err := json.Unmarshal(text, &v); err != nil || v.Error.Message == "" {
		return &Error{Status: answer.StatusCode, Code: engine.Internal, Message: fmt.Sprintf("the server answered %s: is it a naru serve?", answer.Status)}
	}
	return &Error{Status: answer.StatusCode, Code: v.Error.Code, Message: v.Error.Message, Problems: v.Error.Problems}
}

// lost says that there is no server, or no more.
func (c *Client) lost(err error) error {
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &dial) && dial.Op == "dial":
		return &Error{Code: Unavailable, Message: fmt.Sprintf("no naru serve answers at %s: start one with naru serve -f naru.yaml, or name another with --admin", c.address())}
	}
	return &Error{Code: Unavailable, Message: fmt.Sprintf("the server at %s stopped answering: %v", c.address(), err)}
}

func (c *Client) url() string {
	if strings.Contains(c.Addr, "://") {
		return strings.TrimSuffix(c.Addr, "/")
	}
	return "http://" + c.address()
}

// address completes what people leave out: the port, and the host of an address that stands for all of them.
func (c *Client) address() string {
	addr := cmp.Or(c.Addr, DefaultAddr)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = strings.Trim(addr, "[]"), "7070"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
