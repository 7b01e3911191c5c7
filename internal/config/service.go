package config

import (
	"reflect"

	"github.com/naru-deploy/naru/internal/deploy"
)

// ParseService reads the settings of one service from the JSON of an API request, as strictly as a file is read:
// the same keys, the same messages. It answers normalised and valid settings or everything that is wrong with
// them. Relative paths stay as they are; see Absolute.
func ParseService(src []byte) (deploy.Service, []deploy.Problem) {
	root, faults := readJSON(src)
	if root == nil {
		return deploy.Service{}, []deploy.Problem{{Message: faults[0].message}}
	}
	d := decoder{faults: faults}
	var s deploy.Service
	d.value(root, reflect.ValueOf(&s).Elem(), "")
	s = s.Normalise()
	var problems []deploy.Problem
	for _, f := range d.faults {
		problems = append(problems, deploy.Problem{Path: f.path, Message: f.message})
	}
	for _, p := range s.Validate() {
		if !consequence(p.Path, d.faults) {
			problems = append(problems, p)
		}
	}
	if problems != nil {
		return deploy.Service{}, problems
	}
	return s, nil
}
