package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// clinging is a platform with two orphans, one of which does not end.
type clinging struct{ Platform }

func (clinging) List(context.Context, string) ([]deploy.Instance, error) {
	return []deploy.Instance{{ID: "old-r1-1", Service: "old", Revision: "r1"}, {ID: "old-r1-2", Service: "old", Revision: "r1"}}, nil
}

func (clinging) Holdings(context.Context, string) ([]platform.Holding, error) { return nil, nil }

func (clinging) Stop(_ context.Context, id string, _ time.Duration) error {
	if id == "old-r1-1" {
		return errors.New("it does not end")
	}
	return nil
}

// What could not be removed is not told as removed.
func TestRemovedIsOnlyWhatIsGone(t *testing.T) {
	e := &Engine{o: Options{Platform: clinging{}}}
	for dry, want := range map[bool][]string{true: {"old-r1-1", "old-r1-2"}, false: {"old-r1-2"}} {
		var c Collection
		e.orphans(t.Context(), &c, dry, false)
		var names []string
		for _, g := range c.Items {
			names = append(names, g.Name)
		}
		if !slices.Equal(names, want) || dry != (c.Notes == nil) {
			t.Errorf("dry %t: %q, notes %q", dry, names, c.Notes)
		}
	}
}

// Several errors at once are a note each; one that only tells of two stays one.
func TestNotes(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	var c Collection
	c.note(nil)
	c.note(errors.Join(errors.Join(one, nil, two), fmt.Errorf("%w and %w", one, two)))
	if !slices.Equal(c.Notes, []string{"one", "two", "one and two"}) {
		t.Errorf("%q", c.Notes)
	}
}
