package deploy

import (
	"maps"
	"slices"
)

// collect takes over the results of tasks. Known results are never forgotten or changed by a late observation. A pause
// keeps the picture as it is, so a task that passes meanwhile is noted when the rollout goes on.
func (r Rollout) collect(o Observation) Rollout {
	for i, task := range r.Step().Gate.Tasks {
		key := r.TaskKey(r.At, i)
		result, ok := o.Tasks[key]
		if mine, started := r.Tasks[key]; !ok || !started || mine.State != TaskRunning {
			continue
		}
		if result.State == TaskPassed && !r.PausedAt.IsZero() {
			continue
		}
		if result.State == TaskInterrupted && task.Again {
			result = TaskResult{State: TaskRunning}
		}
		r.Tasks = maps.Clone(r.Tasks)
		r.Tasks[key] = result
		if result.State == TaskPassed && result.Note != "" {
			r.Notes = append(slices.Clone(r.Notes), result.Note)
		}
	}
	return r
}

// task starts the next task of the gate, or waits for the one that runs. Running is noted here and the Run follows from
// it, so that "started" is saved before anything runs.
func (r Rollout) task() Rollout {
	r.Phase = Tasking
	for i, task := range r.Step().Gate.Tasks {
		key := r.TaskKey(r.At, i)
		switch r.Tasks[key].State {
		case TaskPassed:
			continue
		case "":
			r.Tasks = maps.Clone(r.Tasks)
			if r.Tasks == nil {
				r.Tasks = map[string]TaskResult{}
			}
			r.Tasks[key] = TaskResult{State: TaskRunning}
		}
		r.Waiting = task.Name
		return r
	}
	return r
}

// running returns the task that has been started and has no result.
func (r Rollout) running() (Run, bool) {
	if !r.Open() || r.Returning || r.Passed {
		return Run{}, false
	}
	for i, task := range r.Step().Gate.Tasks {
		if key := r.TaskKey(r.At, i); r.Tasks[key].State == TaskRunning {
			return Run{key, task}, true
		}
	}
	return Run{}, false
}
