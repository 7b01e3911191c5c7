package traffic

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
)

// Defaults of a [Load].
const (
	defaultTimeout     = 30 * time.Second
	defaultMaxInFlight = 2000
)

// Load is a stream of HTTP requests at a constant rate, in an open loop: request
// i is sent at i/Rate seconds, whatever became of the ones before it.
//
// The same Load sends the same requests from the same addresses in the same
// order every time.
type Load struct {
	URL  string // scheme, host and port: "http://127.0.0.1:8080"
	Host string // the Host header; empty: as in URL
	Path string // asked for with GET where Request is nil; empty: "/"
	// Request makes the i-th request, i counting from 0; see [Get], [Upload]
	// and [Mix]. It is called by several goroutines at once.
	Request func(i int) Request

	Rate     int           // requests per second, at least 1
	Duration time.Duration // 0: until the context ends

	// Sources is the number of client addresses, 127.1.0.1 and up; 0 means 1.
	// A target that is not on loopback sees them all as one address.
	Sources int
	// Cookies gives each source a cookie jar of its own, which makes it a user.
	Cookies bool
	// Fresh is the share of the requests (0 to 1) that are sent on a new
	// connection, closed afterwards. The others keep theirs alive.
	Fresh float64

	// VersionHeader names the answer's header that tells the version which
	// gave it; empty: X-Version.
	VersionHeader string
	// Timeout is how long a request may take to the last byte of its answer
	// before it has failed; 0: 30s.
	Timeout time.Duration
	// MaxInFlight bounds the requests that wait for an answer; 0: 2000. One
	// that is due above it is not sent and counted as overflow.
	MaxInFlight int
}

// Running is a [Load] at work.
type Running struct {
	load    Load
	sources []*source
	slots   chan struct{} // one for each request in flight
	books   *books
	stop    context.CancelFunc
	done    chan struct{} // closed when the last answer is in
}

// Run sends the load until its Duration is over or ctx ends, waits for the
// answers that are still out, and reports. The end of ctx stops the sending
// alone: a request that was sent is followed to its end, or to its Timeout.
//
// It panics when Rate is less than 1 or Fresh is not between 0 and 1.
func (l Load) Run(ctx context.Context) Report {
	return l.Start(ctx).Wait()
}

// Start begins what Run does and returns at once. The caller must call Wait or
// Stop in the end.
func (l Load) Start(ctx context.Context) *Running {
	if l.Rate < 1 {
		panic(fmt.Sprintf("traffic: Load with a rate of %d per second", l.Rate))
	}
	if !(l.Fresh >= 0 && l.Fresh <= 1) {
		panic(fmt.Sprintf("traffic: Load with a share of fresh connections of %v", l.Fresh))
	}
	l = l.withDefaults()
	ctx, stop := context.WithCancel(ctx)
	r := &Running{
		load:    l,
		sources: newSources(l.URL, l.Sources, l.Cookies),
		slots:   make(chan struct{}, l.MaxInFlight),
		books:   newBooks(time.Now()),
		stop:    stop,
		done:    make(chan struct{}),
	}
	go r.run(ctx)
	return r
}

func (l Load) withDefaults() Load {
	if l.Request == nil {
		path := l.Path
		if path == "" {
			path = "/"
		}
		l.Request = Get(path)
	}
	if l.VersionHeader == "" {
		l.VersionHeader = "X-Version"
	}
	if l.Timeout <= 0 {
		l.Timeout = defaultTimeout
	}
	if l.MaxInFlight <= 0 {
		l.MaxInFlight = defaultMaxInFlight
	}
	l.Sources = max(l.Sources, 1)
	return l
}

// Wait waits until everything was sent and answered, and reports.
func (r *Running) Wait() Report {
	<-r.done
	return r.Report()
}

// Stop ends the sending, waits for the answers that are still out, and reports.
func (r *Running) Stop() Report {
	r.stop()
	return r.Wait()
}

// Report tells what has happened so far. Requests in flight are in Sent alone.
func (r *Running) Report() Report { return r.books.report() }

// run keeps the schedule and ends when the last answer is in.
func (r *Running) run(ctx context.Context) {
	defer close(r.done)
	defer r.stop()
	var flights sync.WaitGroup
	r.schedule(ctx, func(i int, due time.Time) {
		select {
		case r.slots <- struct{}{}:
		default:
			r.books.overflow()
			return
		}
		r.books.sent(time.Since(due))
		flights.Go(func() {
			defer func() { <-r.slots }()
			r.one(context.WithoutCancel(ctx), i)
		})
	})
	flights.Wait()
	r.books.close(time.Now())
	for _, s := range r.sources {
		s.close()
	}
}

// schedule calls send for each request when it is due. Behind its schedule it
// catches up without a pause: a request is late, but never left out.
func (r *Running) schedule(ctx context.Context, send func(i int, due time.Time)) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := 0; ; i++ {
		after := time.Duration(i) * time.Second / time.Duration(r.load.Rate)
		if r.load.Duration > 0 && after >= r.load.Duration {
			return
		}
		due := start.Add(after)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		// A select with both ready takes either; the end comes first.
		if ctx.Err() != nil {
			return
		}
		send(i, due)
	}
}

// one sends the i-th request and writes down what became of it.
func (r *Running) one(ctx context.Context, i int) {
	request := r.load.Request(i)
	// The source must not follow from i as the path may: user 3 of 10 would
	// then see the same two of ten paths all day.
	s := r.sources[scatter(i, 1)%uint64(len(r.sources))]
	fresh := float64(scatter(i, 2)) < r.load.Fresh*math.MaxUint64

	ctx, cancel := context.WithTimeout(ctx, r.load.Timeout)
	defer cancel()
	started := time.Now()
	x, err := s.send(ctx, r.load.URL, r.load.Host, request, fresh)
	r.books.add(result{
		request:  request,
		source:   s.address,
		started:  started,
		took:     time.Since(started),
		version:  x.answer.Header.Get(r.load.VersionHeader),
		exchange: x,
		err:      err,
	})
}

// scatter maps a small number to any 64 bits, the same every time (the output
// function of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
func scatter(i int, stream uint64) uint64 {
	z := (uint64(i) + stream<<48) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
