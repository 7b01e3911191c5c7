package platform

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Keyed is a mutex per name whose waiting ends with the context. Its zero value is ready.
type Keyed struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	token chan struct{} // holds one value while the lock is taken
	users int           // holders and waiters; the entry goes with the last of them
}

// Lock waits for the lock of a name. The error means that the context has ended.
func (k *Keyed) Lock(ctx context.Context, name string) (unlock func(), err error) {
	k.mu.Lock()
	l := k.locks[name]
	if l == nil {
		l = &keyedLock{token: make(chan struct{}, 1)}
		if k.locks == nil {
			k.locks = make(map[string]*keyedLock)
		}
		k.locks[name] = l
	}
	l.users++
	k.mu.Unlock()

	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, name)
		}
	}
	select {
	case l.token <- struct{}{}:
		return func() { <-l.token; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, errors.Join(fmt.Errorf("%s is busy", name), ctx.Err())
	}
}
