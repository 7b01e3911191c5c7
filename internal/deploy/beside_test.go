package deploy

import (
	"strings"
	"testing"
)

func TestBeside(t *testing.T) {
	s := State{Service: "s", Stable: "r2", Previous: "r1", Instances: 2, Rest: Picture{Groups: []Group{{Revision: "r2", Instances: 2}}}}
	for name, settings := range map[string]Service{"canary": canary(2, 5000, Whole), "rolling": rolling(3, 1, 0), "blue-green": blueGreen(2, BlueGreenOptions{Bake: dur(0)})} {
		if err := s.Beside(settings, noon); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Rest.Hold = true
	if err := s.Beside(canary(2, 5000, Whole), noon); err == nil || !strings.Contains(err.Error(), "s cannot run twice") {
		t.Errorf("beside a program that cannot run twice: %v", err)
	}
	s.Removed = true
	if err := s.Beside(canary(2, 5000, Whole), noon); err == nil {
		t.Error("beside a service that is being removed")
	}
}
