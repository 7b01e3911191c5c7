// Chat is a small chat: people in one room, connected by WebSockets that last
// for hours. It is the example of a rolling deployment, 3.0 to 3.1.
//
//	GET  /                the page
//	GET  /ws?name=ada     the WebSocket: {"text":"hello"} in, messages out
//	GET  /api/echo?text=  the text again
//	POST /upload          the SHA-256 and the size of the body
//
// Each instance has a room of its own. A chat for more than a demonstration
// would pass messages on between its instances.
package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"io"
	"net/http"

	"github.com/naru-deploy/naru/examples/app"
)

// largestUpload is what one upload may hold, in bytes.
const largestUpload = 64 << 20

//go:embed page.html
var page []byte

func main() {
	program := app.Parse("chat")
	room := newRoom(program)
	program.Main(app.Service{Handler: routes(program, room), Leave: room.close})
}

func routes(p app.Program, room *room) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("GET /ws", room.serve)
	mux.HandleFunc("GET /api/echo", func(w http.ResponseWriter, r *http.Request) {
		app.JSON(w, http.StatusOK, map[string]string{
			"text": r.FormValue("text"), "version": p.Version, "instance": p.Instance,
		})
	})
	mux.HandleFunc("POST /upload", upload)
	return mux
}

// upload reads the body as it comes, without keeping it.
func upload(w http.ResponseWriter, r *http.Request) {
	digest := sha256.New()
	size, err := io.Copy(digest, http.MaxBytesReader(w, r.Body, largestUpload))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		app.Error(w, http.StatusRequestEntityTooLarge, "an upload may have 64 MiB")
	case err != nil:
		app.Error(w, http.StatusBadRequest, "the upload broke off: "+err.Error())
	default:
		app.JSON(w, http.StatusOK, map[string]any{"sha256": hex.EncodeToString(digest.Sum(nil)), "size": size})
	}
}
