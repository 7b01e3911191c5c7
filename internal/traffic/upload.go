package traffic

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
)

// The sizes of an upload's body, in bytes.
const (
	smallestUpload = 1 << 10
	largestUpload  = 1 << 20
)

// Upload returns a generator of POST requests whose bodies have between 1 KiB
// and 1 MiB, every second one sent chunked. The answer must contain the SHA-256
// of the body in lower-case hexadecimal, and be a 200: anything else means that
// bytes were lost, doubled or mixed up on the way.
//
// Size and content depend on i alone, so a failure can be played again.
func Upload(path string) func(i int) Request {
	// One noise block for all bodies: a body is a window of it. Making up to a
	// megabyte of fresh noise per request would cost more than sending it.
	block := sync.OnceValue(func() []byte {
		noise := make([]byte, 2*largestUpload)
		// Read of ChaCha8 never returns an error.
		_, _ = rand.NewChaCha8([32]byte{'n', 'a', 'r', 'u'}).Read(noise)
		return noise
	})
	return func(i int) Request {
		random := rand.New(rand.NewPCG(uint64(i), 0))
		size := smallestUpload + random.IntN(largestUpload-smallestUpload+1)
		from := random.IntN(largestUpload)
		body := block()[from : from+size]
		return Request{
			Method:  http.MethodPost,
			Path:    path,
			Header:  http.Header{"Content-Type": {"application/octet-stream"}},
			Body:    body,
			Chunked: i%2 == 1,
			Check:   checkDigest(body),
		}
	}
}

// checkDigest returns a check that the answer names the SHA-256 of the body.
func checkDigest(body []byte) func(Answer) error {
	return func(a Answer) error {
		if a.Status != http.StatusOK {
			return fmt.Errorf("upload of %d bytes answered %d, not 200", len(body), a.Status)
		}
		sum := sha256.Sum256(body)
		want := hex.EncodeToString(sum[:])
		if !bytes.Contains(a.Body, []byte(want)) {
			return fmt.Errorf("upload of %d bytes: the answer does not name its digest %s", len(body), want)
		}
		return nil
	}
}
