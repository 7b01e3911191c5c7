package proxy

import "sync"

// broadcast wakes everyone who waits, as often as something changes.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is the channel that closes at the next notify. Take it before looking at
// what may change, or a change between looking and waiting is missed.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) notify() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
