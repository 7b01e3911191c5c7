// Social is a small social network. It is the example of a canary deployment,
// 2.0 to 2.1, and of one that ends early: 2.2.
//
//	GET  /                              the page
//	GET  /timeline                      the last posts of everyone
//	POST /post      author=ada&text=hi  one more
//	GET  /user/{id}                     a user's posts
//
// Posts live in the memory of the instance that took them.
package main

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/naru-deploy/naru/examples/app"
)

const (
	timelineLength = 20
	longestText    = 280 // bytes
)

func main() {
	program := app.Parse("social")
	program.Main(app.Service{Handler: newNetwork(program).routes()})
}

// network is one instance. What the versions do differently is decided here:
//
//	2.0  shows how many liked a post
//	2.1  shows who
//	2.2  answers every fifth timeline with 500, which a canary finds
type network struct {
	program app.Program
	posts   *posts
	names   bool
	faulty  bool
	asked   atomic.Int64 // timelines so far
}

func newNetwork(p app.Program) *network {
	return &network{
		program: p,
		posts:   newPosts(),
		names:   !strings.HasPrefix(p.Version, "2.0"),
		faulty:  strings.HasPrefix(p.Version, "2.2"),
	}
}

func (n *network) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", n.page)
	mux.HandleFunc("GET /timeline", n.timeline)
	mux.HandleFunc("POST /post", n.post)
	mux.HandleFunc("GET /user/{id}", n.user)
	return mux
}

// page is for people.
func (n *network) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>social</title><h1>social %s</h1>\n", html.EscapeString(n.program.Version))
	fmt.Fprintln(w, `<form method=post action=/post><input name=author placeholder=name> <input name=text placeholder=text> <button>Post</button></form>`)
	for _, p := range n.posts.latest(timelineLength) {
		fmt.Fprintf(w, "<p><b>%s</b> %s (%d)\n", html.EscapeString(p.Author), html.EscapeString(p.Text), p.Likes)
	}
}

func (n *network) timeline(w http.ResponseWriter, _ *http.Request) {
	if n.faulty && n.asked.Add(1)%5 == 0 {
		app.Error(w, http.StatusInternalServerError, "the timeline has lost its thread")
		return
	}
	n.answer(w, n.posts.latest(timelineLength))
}

func (n *network) post(w http.ResponseWriter, r *http.Request) {
	author, text := r.FormValue("author"), r.FormValue("text")
	if author == "" || text == "" || len(text) > longestText {
		app.Error(w, http.StatusUnprocessableEntity,
			fmt.Sprintf("a post needs an author and a text of at most %d bytes", longestText))
		return
	}
	p := n.posts.add(author, text)
	n.program.Log.Printf("post %d by %q", p.ID, author)
	app.JSON(w, http.StatusCreated, p)
}

func (n *network) user(w http.ResponseWriter, r *http.Request) {
	written := n.posts.by(r.PathValue("id"))
	if len(written) == 0 {
		app.Error(w, http.StatusNotFound, fmt.Sprintf("%q has posted nothing here", r.PathValue("id")))
		return
	}
	n.answer(w, written)
}

// answer shows posts as this version shows them.
func (n *network) answer(w http.ResponseWriter, shown []post) {
	if !n.names {
		for i := range shown {
			shown[i].LikedBy = nil
		}
	}
	app.JSON(w, http.StatusOK, map[string]any{"version": n.program.Version, "posts": shown})
}
