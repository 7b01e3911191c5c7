package main

import (
	"sync"
	"time"
)

// strainLimit is how many requests per second an instance of 1.2 bears. The
// shop has two instances, so as a whole it bears 50.
const strainLimit = 25

// strain fails one request in twenty while more come than it bears. It counts
// by whole seconds: the busier of this second and the last one decides.
type strain struct {
	limit int

	mu        sync.Mutex
	second    int64
	now, last int // requests of this second and of the one before
	total     int
}

// fails counts a request, and tells whether it is one to fail.
func (s *strain) fails(at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch second := at.Unix(); {
	case second == s.second+1:
		s.last, s.now = s.now, 0
		s.second = second
	case second != s.second:
		s.last, s.now = 0, 0
		s.second = second
	}
	s.now++
	if max(s.now, s.last) <= s.limit {
		return false
	}
	s.total++
	return s.total%20 == 0
}
