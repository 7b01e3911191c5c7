package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

const webhookURL = "webhook.url"

// webhook posts the question to a URL.
type webhook struct {
	client  *http.Client
	url     string
	who     string
	headers map[string]string
}

func newWebhook(w deploy.Webhook) (kind, error) {
	u, err := address(webhookURL, w.URL)
	if err != nil {
		return nil, err
	}
	return webhook{newClient(), w.URL, origin(u), w.Headers}, nil
}

func (w webhook) ask(ctx context.Context, q Question) (*float64, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, w.fault("cannot be asked: %v", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil { // its error repeats the URL, which has been parsed before
		return nil, w.fault("cannot be asked")
	}
	for name, value := range w.headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, unanswered(webhookURL, w.who, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case tooLong(err):
		return nil, w.fault("answers with more than %d bytes", maxAnswer)
	case err != nil:
		return nil, unanswered(webhookURL, w.who, err)
	}
	return w.read(answer, text)
}

// read takes the number out of an answer.
func (w webhook) read(answer *http.Response, text []byte) (*float64, error) {
	switch code := answer.StatusCode; {
	case code == http.StatusNoContent:
		return nil, nil
	case code/100 == 3:
		return nil, w.fault("answers %s: redirects are not followed, name the address itself", answer.Status)
	case code/100 != 2:
		return nil, w.fault("answers %s: %s", answer.Status, line(string(text)))
	}
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return nil, w.fault("answers with Content-Type %q, and application/json is needed", line(answer.Header.Get("Content-Type")))
	}
	var found struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, w.fault("does not answer with a JSON object: %v", err)
	}
	if found.Value == nil { // a misspelt key must not pass for no data
		return nil, w.fault(`answers without a "value": write {"value": 0.12}, or {"value": null} for no data`)
	}
	var value *float64
	if err := json.Unmarshal(found.Value, &value); err != nil {
		return nil, w.fault(`answers with the value %s, which is not a number: write {"value": 0.12}, or {"value": null} for no data`, line(string(found.Value)))
	}
	return value, nil
}

func (w webhook) fault(format string, a ...any) *fault {
	return &fault{part: webhookURL, who: w.who, text: strings.TrimSuffix(fmt.Sprintf(format, a...), ": ")}
}
