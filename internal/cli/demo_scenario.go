//go:build linux

package cli

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/naru-deploy/naru/internal/deploy"
	"github.com/naru-deploy/naru/internal/traffic"
)

// scenario is one of the stories that the demo plays: an example under the strategy of its own naru.yaml.
type scenario struct {
	name     string // of the example, its program and its service
	strategy string
	title    string
	about    string
	first    string // version that serves when the story begins
	acts     []act
	load     traffic.Load     // the users; without a URL
	members  *traffic.Sockets // those with a WebSocket; nil: none
	hints    []string         // what a reader of the figures should know
}

// act is one rollout.
type act struct {
	version string
	about   string
	outcome deploy.Result // that it must have
	// idle: the old version stays warm afterwards, and the users stay until it is stopped.
	idle bool
	// samePlan: it has the steps of the act before, and they need not be shown again.
	samePlan bool
}

func scenarios() []scenario { return []scenario{chatScenario(), shopScenario(), socialScenario()} }

func scenarioNames() (names []string) {
	for _, one := range scenarios() {
		names = append(names, one.name)
	}
	return names
}

// chosen are the scenarios that the arguments name: all without any, none for a name that is unknown.
func chosen(args []string) []scenario {
	return slices.DeleteFunc(scenarios(), func(s scenario) bool { return len(args) > 0 && s.name != args[0] })
}

func titles(play []scenario) string {
	var all []string
	for _, one := range play {
		all = append(all, one.name+" ("+one.strategy+")")
	}
	return strings.Join(all, ", ")
}

func chatScenario() scenario {
	return scenario{
		name: "chat", strategy: "rolling", title: "chat: rolling, 3.0 to 3.1", first: "3.0",
		about: "Five instances of a WebSocket chat. One at a time is replaced, and only when the new one has proved itself the next one follows.",
		acts:  []act{{version: "3.1", outcome: deploy.Promoted}},
		load: traffic.Load{Rate: 150, Sources: 60, Fresh: 0.2,
			Request: traffic.Mix(traffic.Get("/", "/api/echo?text=hello"), traffic.Get("/version"), sparse(10, traffic.Upload("/upload"), traffic.Get("/")))},
		members: &traffic.Sockets{Path: "/ws", Users: 20, Every: 500 * time.Millisecond,
			Message: func(text string) []byte { return []byte(`{"text":"` + text + `"}`) }},
		hints: []string{"a WebSocket whose instance goes is closed with 1001, between two messages, and its user comes back at once"},
	}
}

func shopScenario() scenario {
	return scenario{
		name: "shop", strategy: "blue-green", title: "shop: blue-green, 1.0 to 1.1", first: "1.0",
		about: "Blue serves. Green is started beside it, passes its functional tests and a load test where no customer sees it, and then takes over all traffic in one switch.",
		acts:  []act{{version: "1.1", outcome: deploy.Promoted, idle: true}},
		load: traffic.Load{Rate: 150, Sources: 60, Fresh: 0.2, Cookies: true,
			Request: traffic.Mix(traffic.Get("/products"), traffic.Get("/"), form("/cart", "item=tea"), traffic.Get("/cart"))},
		hints: []string{"this shop keeps carts in the memory of an instance, so the switch empties them; one with a database would keep them"},
	}
}

func socialScenario() scenario {
	return scenario{
		name: "social", strategy: "canary", title: "social: canary, 2.0 to 2.1, and 2.2 that fails", first: "2.0",
		about: "Some users see the new version first, and always the same ones: 5, 10, 25, 50, 75 and then 100% of them.",
		acts: []act{
			{version: "2.1", outcome: deploy.Promoted},
			{version: "2.2", outcome: deploy.RolledBack, samePlan: true,
				about: "2.2 fails one timeline in five. Nobody tells naru; it finds out with the first 5% of the users and takes 2.2 back."},
		},
		load: traffic.Load{Rate: 300, Sources: 300, Fresh: 0.1, Cookies: true,
			Request: traffic.Mix(traffic.Get("/timeline"), traffic.Get("/timeline", "/user/ada"), traffic.Get("/timeline"),
				sparse(5, form("/post", "author=ada&text=hello"), traffic.Get("/")))},
	}
}

// sparse makes the first of every n requests a rare one, and the others common.
func sparse(n int, rare, common func(int) traffic.Request) func(int) traffic.Request {
	return func(i int) traffic.Request {
		if i%n == 0 {
			return rare(i / n)
		}
		return common(i)
	}
}

// form makes requests that post a form.
func form(path, fields string) func(int) traffic.Request {
	return func(int) traffic.Request {
		return traffic.Request{Method: http.MethodPost, Path: path, Body: []byte(fields),
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	}
}
