package examples_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/naru-deploy/naru/internal/traffic"
)

type timeline struct {
	Version string
	Posts   []struct {
		Author, Text string
		Likes        int
		LikedBy      []string `json:"liked_by"`
	}
}

func TestSocialShowsPosts(t *testing.T) {
	t.Parallel()
	p := startReady(t, "social", "2.0")
	var posted struct{ ID int }
	p.askJSON(t, http.DefaultClient, "POST", "/post", "author=mary&text=It+is+alive", http.StatusCreated, &posted)
	var seen timeline
	p.askJSON(t, http.DefaultClient, "GET", "/timeline", "", http.StatusOK, &seen)
	if len(seen.Posts) != 4 || seen.Posts[0].Author != "mary" || seen.Posts[0].Text != "It is alive" {
		t.Errorf("timeline: %+v", seen)
	}
	p.askJSON(t, http.DefaultClient, "GET", "/user/mary", "", http.StatusOK, &seen)
	if len(seen.Posts) != 1 || posted.ID != 4 {
		t.Errorf("mary's posts: %+v", seen)
	}
	var refused struct{ Error string }
	p.askJSON(t, http.DefaultClient, "GET", "/user/nobody", "", http.StatusNotFound, &refused)
	for _, bad := range []string{"author=mary", "text=x", "author=mary&text=" + strings.Repeat("x", 281)} {
		p.askJSON(t, http.DefaultClient, "POST", "/post", bad, http.StatusUnprocessableEntity, &refused)
	}
}

func TestSocial21TellsWhoLikedAPost(t *testing.T) {
	t.Parallel()
	for version, names := range map[string]int{"2.0": 0, "2.1": 3} {
		p := startReady(t, "social", version)
		var seen timeline
		p.askJSON(t, http.DefaultClient, "GET", "/user/grace", "", http.StatusOK, &seen)
		if post := seen.Posts[0]; post.Likes != 3 || len(post.LikedBy) != names || seen.Version != version {
			t.Errorf("%s: %+v", version, seen)
		}
	}
}

func TestSocial22FailsEveryFifthTimeline(t *testing.T) {
	t.Parallel()
	p := startReady(t, "social", "2.2")
	report := traffic.Load{URL: p.url, Path: "/timeline", Rate: 100, Duration: time.Second}.Run(t.Context())
	if report.Sent != 100 || report.Failed != 20 || report.Statuses[500] != 20 || report.Versions["2.2"] != 100 {
		t.Errorf("got %v", report)
	}
	users := traffic.Load{URL: p.url, Path: "/user/ada", Rate: 100, Duration: 200 * time.Millisecond}.Run(t.Context())
	if err := users.Err(); err != nil {
		t.Errorf("other pages: %v", err)
	}
}
