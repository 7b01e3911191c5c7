package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/platform"
)

// checkProgram asks the platform: artifact or image are there and what they were.
func (e *Engine) checkProgram(n need) Check {
	err := e.o.Platform.Readiness(n.rev)
	var secrets interface{ Problems() []deploy.Problem }
	switch {
	case errors.As(err, &secrets): // they have a check of their own
		return Check{"program", true, "is there; whether it is what it was is looked at when its secrets are there"}
	case err != nil:
		return Check{"program", false, err.Error()}
	}
	return Check{"program", true, "is there and what it was"}
}

// checkSecrets looks for what the revision takes from outside its settings; of one that takes nothing there is nothing to say.
// No command is run that often: what one would print shows when the rollback, or a drill, asks for it.
func (e *Engine) checkSecrets(n need) (c Check, needed bool) {
	changed, problems := e.o.Platform.Glance(n.rev)
	switch {
	case len(problems) > 0:
		var all []string
		for _, p := range problems {
			all = append(all, p.Path+": "+p.Message)
		}
		return Check{"secrets", false, strings.Join(all, "; ")}, true
	case len(changed) > 0:
		return Check{"secrets", true, "other values than at its deploy: " + strings.Join(changed, ", ") + unasked(n.rev.Settings)}, true
	case outside(n.rev.Settings):
		return Check{"secrets", true, "are there" + unasked(n.rev.Settings)}, true
	}
	return Check{}, false
}

// outside reports whether a program takes anything from outside its settings.
func outside(s deploy.Service) bool {
	env, _ := s.Environment()
	secret := slices.ContainsFunc(slices.Collect(maps.Values(env)), deploy.Variable.Secret)
	return secret || s.Docker != nil && s.Docker.EnvFile != ""
}

// unasked names the variables whose commands are there and were not run.
func unasked(s deploy.Service) string {
	var names []string
	env, _ := s.Environment()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name].Command != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; what the commands of %s print is asked for by the rollback itself, or by a drill", strings.Join(names, ", "))
}

func (e *Engine) checkPorts(n need) Check {
	if n.port != 0 {
		if err := platform.Vacant(n.port); err != nil {
			return Check{"ports", false, err.Error()}
		}
		return Check{"ports", true, fmt.Sprintf("port %d is free", n.port)}
	}
	if n.instances == 0 || n.rev.Settings.Worker() || n.rev.Settings.Port.Fixed() != 0 {
		return Check{"ports", true, "none are needed"}
	}
	free, err := e.o.Platform.FreePorts(e.o.Ports, n.instances)
	switch {
	case err != nil:
		return Check{"ports", false, err.Error()}
	case free < n.instances:
		return Check{"ports", false, fmt.Sprintf("%d of %s are free, and %d more instances would run for a while; widen server.ports", free, e.o.Ports, n.instances)}
	}
	return Check{"ports", true, fmt.Sprintf("%d are free for as many instances more", n.instances)}
}

func checkAllowed(n need) Check {
	if n.forbidden != nil {
		return Check{"allowed", false, n.forbidden.Error()}
	}
	return Check{"allowed", true, "nothing forbids it"}
}
