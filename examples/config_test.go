package examples_test

import (
	"path/filepath"
	"testing"

	"github.com/naru-deploy/naru/internal/config"
)

// What people copy from has to be right.
func TestConfigurationsAreWithoutFault(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{"chat": ":8080", "shop": ":8081", "social": ":8082", "notes": ":8083"} {
		file, err := config.Load(name + "/naru.yaml")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, warning := range file.Warnings() {
			t.Errorf("%s: %v", name, warning)
		}
		s, found := file.Services[name]
		program := s.Process.Command[0]
		if s.Exclusive { // it may have to be started again when its file is another by now
			if program != "${ARTIFACT}" {
				t.Errorf("%s: %q is no copy of its own", name, program)
			}
			program = "./" + filepath.Base(s.Process.Artifact)
		}
		if !found || program != "./"+name || file.Server.HTTP[0] != address {
			t.Errorf("%s: the service is not what its README says: %+v", name, file)
		}
		got := map[string]bool{"chat": s.Strategy.Rolling != nil, "shop": s.Strategy.BlueGreen != nil, "social": s.Strategy.Canary != nil, "notes": s.Exclusive}
		if !got[name] {
			t.Errorf("%s: the strategy is not what its README says: %+v", name, s.Strategy)
		}
	}
}
