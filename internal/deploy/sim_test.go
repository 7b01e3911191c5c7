package deploy

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// seeds is how many lives are simulated: NARU_SIM_SEEDS, from NARU_SIM_FROM on.
func seeds(t *testing.T, usual uint64) (from, to uint64) {
	t.Helper()
	number := func(name string, usual uint64) uint64 {
		v, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if os.Getenv(name) == "" {
			return usual
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	from = number("NARU_SIM_FROM", 0)
	return from, from + number("NARU_SIM_SEEDS", usual)
}

// everySeed simulates on all processors and stops at the first error, which a replay finds again by its seed.
func everySeed(t *testing.T, usual uint64, simulate func(seed uint64) error) {
	t.Helper()
	from, to := seeds(t, usual)
	var wg sync.WaitGroup
	workers := uint64(runtime.GOMAXPROCS(0))
	for worker := range workers {
		wg.Go(func() {
			for seed := from + worker; seed < to && !t.Failed(); seed += workers {
				if err := simulate(seed); err != nil {
					t.Errorf("%v\nreplay: NARU_SIM_FROM=%d NARU_SIM_SEEDS=1 go test ./internal/deploy -run %s", err, seed, t.Name())
				}
			}
		})
	}
	wg.Wait()
}

func TestEveryInvariantHolds(t *testing.T) {
	ends, lives := map[Result]int{}, 0
	var mu sync.Mutex
	everySeed(t, 2000, func(seed uint64) error {
		l, err := live(draw(seed), mutant{})
		mu.Lock()
		defer mu.Unlock()
		lives++
		for _, r := range l.results {
			ends[r]++
		}
		return err
	})
	t.Logf("%d lives: %v", lives, ends)
	if lives > 100 && (ends[Promoted] == 0 || ends[RolledBack] == 0 || ends[Aborted] == 0) {
		t.Errorf("the lives are one-sided: %v", ends)
	}
}

// sameEnd lives through a script twice: with a controller that is left alone, and with one that is killed again and
// again, between any save and any action, and with the whole machine.
func sameEnd(seed uint64, m mutant) error {
	sc := determined(seed)
	left, err := live(sc, m)
	if err != nil {
		return err
	}
	sc.kills, sc.reboots, sc.dark = 40, 3, 10
	killed, err := live(sc, m)
	if err != nil {
		return err
	}
	if want, got := left.end(), killed.end(); want != got {
		return broken(checkSameEnd, "%s; when it is killed %d times: %s", want, killed.kills, got)
	}
	return nil
}

// end is all that must be the same.
func (l *life) end() string {
	return fmt.Sprint(l.results, l.state.Stable, l.state.Instances, l.state.Rest, l.state.Routing.Splits, len(l.state.Obligations), len(l.w.bodies))
}

func TestSameEnd(t *testing.T) {
	everySeed(t, 300, func(seed uint64) error { return sameEnd(seed, mutant{}) })
}

func shipFix(seed uint64, m mutant) error {
	sc := fix(seed)
	l, err := live(sc, m)
	if err != nil {
		return err
	}
	want := "r" + strconv.Itoa(len(sc.moves))
	if l.state.Stable != want {
		return broken(checkFix, "%s is stable and not %s: %v %v", l.state.Stable, want, l.results, l.reasons)
	}
	return nil
}

func TestFix(t *testing.T) {
	everySeed(t, 300, func(seed uint64) error { return shipFix(seed, mutant{}) })
}
