package proxy

import "sync"

const (
	defaultAttempts = 2
	defaultBudget   = 0.2
	// retryFloor is how many retries every service has in a window, however
	// little traffic there is.
	retryFloor  = 10
	retryWindow = 10 // seconds
)

// Retry says that the attempt failed before any byte was answered, and counts
// the failure. When it returns true the backend is released and the engine calls
// Acquire again; when false it answers the user and calls Done, which releases
// the backend: it may not seem idle while the answer is not counted.
func (x *Exchange) Retry(f Failure) bool {
	b := x.backend
	if b == nil || x.spent {
		return false
	}
	x.turn.Store(notItsTurn)
	x.endStream()
	x.tried = append(x.tried, b)
	if f.Kind == Dial && !f.ours() {
		x.dials++
		x.r.eject(b, f)
	}
	again := x.mayRetry(f)
	m := x.metered()
	// A reset of a connection that had idled says nothing yet: the next
	// attempt is judged in its place.
	idled := f.Kind == Reset && f.Reused && again
	if !idled && !f.ours() {
		x.judge(m)
	}
	if !again {
		x.spent = true
		return false
	}
	if !x.retried {
		x.retried = true
		m.retried.Add(1)
	}
	x.backend = nil
	b.release()
	// Only the newest table knows which backends were found dead meanwhile.
	x.refresh()
	return true
}

// mayRetry decides. A dial that was refused sent nothing, so any method may go
// elsewhere; and since it takes its instance out of the choice it needs no
// budget: there can only be as many as there are instances.
func (x *Exchange) mayRetry(f Failure) bool {
	limit := x.route.spec.Retries.attempts()
	if f.BodyConsumed || limit == 0 {
		return false
	}
	if f.Kind == Dial && !f.ours() {
		return x.dials <= limit+len(x.route.spec.Backends)
	}
	if f.Kind == Timeout || f.Kind == Broken { // it was heard: another try would only add to its load
		return false
	}
	if f.Kind == Reset && !x.visitor.idempotent() {
		return false
	}
	return len(x.tried)-x.dials <= limit && x.svc.budget.spend(x.svc.requests(), x.route.spec.Retries.budget())
}

func (p Retries) attempts() int {
	if p.Attempts == 0 {
		return defaultAttempts
	}
	return max(0, p.Attempts)
}

func (p Retries) budget() float64 {
	if p.Budget == 0 {
		return defaultBudget
	}
	return max(0, p.Budget)
}

// budget keeps retries from doubling the load of a service that is failing
// because of its load. It looks at counters that exist anyway: the way of a
// request that does not fail has nothing to do with it.
type budget struct {
	mu      sync.Mutex
	retries uint64
	past    [retryWindow]moment // a ring of the last seconds
	at      int
}

// moment is what had been counted at some second.
type moment struct{ requests, retries uint64 }

// spend takes one retry, if requests (all that the service has had) allow it.
func (b *budget) spend(requests uint64, share float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest := b.past[b.at]
	recent := float64(requests - min(requests, oldest.requests)) // meters of old revisions are forgotten
	if float64(b.retries-oldest.retries) >= max(retryFloor, share*recent) {
		return false
	}
	b.retries++
	return true
}

// tick is called once a second.
func (b *budget) tick(requests uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.past[b.at] = moment{requests, b.retries}
	b.at = (b.at + 1) % retryWindow
}
