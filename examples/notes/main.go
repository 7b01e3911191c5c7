// Notes keeps notes in a SQLite file that it alone may have open. It is the example of a program that cannot run
// twice: a second copy ends at once, because the file is locked.
//
//	GET  /                the page
//	GET  /notes           the last notes, the newest first
//	POST /notes  text=hi  one more; the answer holds its number
//	GET  /count           how many there are
//	GET  /search?q=word   from 4.1 on
package main

import (
	"flag"
	"fmt"
	"html"
	"net/http"
	"strings"

	"github.com/naru-deploy/naru/examples/app"
)

const (
	shown       = 20
	longestText = 500 // bytes
)

func main() {
	file := flag.String("data", "notes.db", "the SQLite `file` that holds the notes")
	program := app.Parse("notes")
	book, err := open(*file, searches(program.Version))
	if err != nil {
		program.Log.Fatal(err)
	}
	program.Main(app.Service{Handler: (&notes{program, book}).routes()})
	if err := book.Close(); err != nil {
		program.Log.Fatal(err)
	}
}

// searches tells the versions apart:
//
//	4.0  keeps notes
//	4.1  finds them by their words as well; it adds a column for that, which 4.0 does not mind
func searches(version string) bool { return !strings.HasPrefix(version, "4.0") }

type notes struct {
	program app.Program
	book    *book
}

func (n *notes) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", n.page)
	mux.HandleFunc("GET /notes", n.latest)
	mux.HandleFunc("POST /notes", n.add)
	mux.HandleFunc("GET /count", n.count)
	if searches(n.program.Version) {
		mux.HandleFunc("GET /search", n.search)
	}
	return mux
}

// page is for people.
func (n *notes) page(w http.ResponseWriter, r *http.Request) {
	found, err := n.book.latest(r.Context(), shown)
	if err != nil {
		app.Error(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!doctype html><title>notes</title><h1>notes %s</h1>\n", html.EscapeString(n.program.Version))
	fmt.Fprintln(w, `<form method=post action=/notes><input name=text placeholder=text> <button>Keep</button></form>`)
	if searches(n.program.Version) {
		fmt.Fprintln(w, `<form action=/search><input name=q placeholder=word> <button>Find</button></form>`)
	}
	for _, one := range found {
		fmt.Fprintf(w, "<p>%d. %s\n", one.ID, html.EscapeString(one.Text))
	}
}

func (n *notes) latest(w http.ResponseWriter, r *http.Request) {
	found, err := n.book.latest(r.Context(), shown)
	n.answer(w, found, err)
}

func (n *notes) search(w http.ResponseWriter, r *http.Request) {
	word := r.FormValue("q")
	if word == "" {
		app.Error(w, http.StatusUnprocessableEntity, "q is missing: the word to look for")
		return
	}
	found, err := n.book.search(r.Context(), word, shown)
	n.answer(w, found, err)
}

func (n *notes) answer(w http.ResponseWriter, found []note, err error) {
	if err != nil {
		app.Error(w, http.StatusInternalServerError, err.Error())
		return
	}
	app.JSON(w, http.StatusOK, map[string]any{"version": n.program.Version, "notes": found})
}

func (n *notes) add(w http.ResponseWriter, r *http.Request) {
	text := r.FormValue("text")
	if text == "" || len(text) > longestText {
		app.Error(w, http.StatusUnprocessableEntity, fmt.Sprintf("a note needs a text of at most %d bytes", longestText))
		return
	}
	added, err := n.book.add(r.Context(), text)
	if err != nil {
		app.Error(w, http.StatusInternalServerError, err.Error())
		return
	}
	app.JSON(w, http.StatusCreated, added)
}

func (n *notes) count(w http.ResponseWriter, r *http.Request) {
	many, err := n.book.count(r.Context())
	if err != nil {
		app.Error(w, http.StatusInternalServerError, err.Error())
		return
	}
	app.JSON(w, http.StatusOK, map[string]int{"count": many})
}
