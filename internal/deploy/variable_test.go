package deploy_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/naru-deploy/naru/internal/deploy"
)

func TestReferences(t *testing.T) {
	for text, want := range map[string][]string{
		"":                               nil,
		"${VERSION} $HOME ${HOME}":       nil,
		"${env:A}":                       {"A"},
		"x${env:A_1}-${env:b}${env:A_1}": {"A_1", "b"},
		"$${env:A}":                      nil,
		"$$${env:A}":                     nil, // the first $ stands for itself
		"${env:A-B} ${env:} ${env:1}":    nil,
	} {
		if got := deploy.References(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestVariableForms(t *testing.T) {
	for text, want := range map[string]struct {
		secret bool
		from   string
	}{
		`"plain"`:                              {false, ""},
		`""`:                                   {false, ""},
		`"${env:A}:${env:B}"`:                  {true, "${env:A} and ${env:B}"},
		`{"file":"/run/secrets/db"}`:           {true, "file /run/secrets/db"},
		`{"command":["pass","show","secret"]}`: {true, "command pass"},
	} {
		var v deploy.Variable
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		back, err := json.Marshal(v)
		if err != nil || string(back) != text || v.Secret() != want.secret || v.From() != want.from {
			t.Errorf("%s: %s, %v, secret %t, from %q", text, back, err, v.Secret(), v.From())
		}
	}
	for _, text := range []string{`{}`, `1`, `null`, `["a"]`, `{"file":"a","path":"b"}`} {
		var v deploy.Variable
		if err := json.Unmarshal([]byte(text), &v); err == nil && text != "null" {
			t.Errorf("%s: %+v", text, v)
		}
	}
}
