package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-deploy/naru/internal/config"
)

// FuzzParse: no text makes Parse panic; what it refuses has a place within the text; what it accepts stays the
// same when it is normalised again, and when it goes through the JSON of the API.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, seed := range seeds {
		src, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, seed := range []string{"", "- a", "{", "a: |\n b\n---\n", "services: {a: {process: {command: [x]}}}", "x: &a [*a]", "? a\n: b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := config.Parse("naru.yaml", src)
		if err != nil {
			var errs config.Errors
			if !errors.As(err, &errs) || len(errs) == 0 || err.Error() == "" {
				t.Fatalf("refused without a reason: %#v", err)
			}
			return
		}
		file.Warnings()
		for name, s := range file.Services {
			if again := s.Normalise(); !reflect.DeepEqual(again, s) {
				t.Fatalf("%s is not normal: %s", name, cmp.Diff(s, again))
			}
			throughJSON(t, s)
		}
	})
}

// FuzzParseService: the same for the settings of the API.
func FuzzParseService(f *testing.F) {
	full, err := config.Load("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range full.Services {
		body, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"process":{"command":["x"]},"process":null,"strategy":{"canary":{"steps":["5%",{"weight":"100%"}]}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, problems := config.ParseService(body)
		if len(problems) > 0 {
			return
		}
		throughJSON(t, s)
	})
}
