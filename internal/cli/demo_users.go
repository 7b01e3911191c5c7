//go:build linux

package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/figure"
	"github.com/naru-deploy/naru/internal/traffic"
)

// audience is the users of one act.
type audience struct {
	load    *traffic.Running
	members *traffic.RunningSockets
	one     scenario
}

// invite starts the users. They outlive ctx, because what they have asked for is theirs to get; stop ends them.
func (st *stage) invite(ctx context.Context, one scenario) *audience {
	ctx = context.WithoutCancel(ctx)
	url := "http://" + st.file.Server.HTTP[0]
	one.load.URL, one.load.Timeout = url, 15*time.Second
	a := &audience{one: one, load: one.load.Start(ctx)}
	if one.members != nil {
		members := *one.members
		members.URL = url
		a.members = members.Start(ctx)
	}
	return a
}

func (a *audience) stop() {
	a.load.Stop()
	if a.members != nil {
		a.members.Stop()
	}
}

func (a *audience) words() string {
	text := fmt.Sprintf("%d requests per second from %d addresses, whatever the answers do", a.one.load.Rate, a.one.load.Sources)
	if a.one.members != nil {
		text += fmt.Sprintf("; %d WebSockets that say something every %s", a.one.members.Users, a.one.members.Every)
	}
	return text
}

// demoUsers is what users saw; latency is to the last byte, in milliseconds.
type demoUsers struct {
	Requests   int            `json:"requests"`
	Failed     int            `json:"failed"`
	Versions   map[string]int `json:"versions"` // answers by version
	P50        float64        `json:"p50_ms"`
	P99        float64        `json:"p99_ms"`
	WebSockets *demoSockets   `json:"websockets,omitempty"`
}

// demoSockets is what users with a WebSocket saw.
type demoSockets struct {
	Users       int `json:"users"`
	Connections int `json:"connections"`
	Told        int `json:"told_to_come_back"` // closed with 1001
	Dropped     int `json:"dropped"`
	Refused     int `json:"refused"`
	Messages    int `json:"messages"`
	Lost        int `json:"messages_lost"`
}

// report is for after stop.
func (a *audience) report() (demoUsers, traffic.Report, *traffic.SocketReport) {
	r := a.load.Report()
	users := demoUsers{Requests: r.Sent, Failed: r.Failed, Versions: r.Versions,
		P50: 1000 * r.Latency.Quantile(0.5).Seconds(), P99: 1000 * r.Latency.Quantile(0.99).Seconds()}
	if a.members == nil {
		return users, r, nil
	}
	m := a.members.Report()
	users.WebSockets = &demoSockets{Users: m.Users, Connections: m.Connected, Told: m.Told, Dropped: m.Dropped, Refused: m.Refused, Messages: m.Sent, Lost: m.Lost}
	return users, r, &m
}

// answers says what became of the requests of users.
func (r demoRollout) answers() string {
	u := r.Users
	var by []string
	for _, version := range slices.Sorted(maps.Keys(u.Versions)) {
		by = append(by, fmt.Sprintf("%s by %s", figure.Count(uint64(u.Versions[version])), cmp.Or(version, "none")))
	}
	text := fmt.Sprintf("sent %s requests, %s failed; answered %s; p50 %s, p99 %s", figure.Count(uint64(u.Requests)),
		figure.Count(uint64(u.Failed)), strings.Join(by, ", "), latency(u.P50), latency(u.P99))
	if q := r.Receipt.Requests; q.Failed > 0 {
		text += fmt.Sprintf("; of the failures %s were answers of the app itself, %s were made by naru", figure.Count(q.ByApp), figure.Count(q.ByNaru))
	}
	return text
}

// sockets says what became of users with a WebSocket.
func (r demoRollout) sockets() string {
	w := r.Users.WebSockets
	return fmt.Sprintf("kept %d WebSockets: %d told to come back (1001), %d dropped, %d refused; %d of %d messages lost",
		w.Users, w.Told, w.Dropped, w.Refused, w.Lost, w.Messages)
}
