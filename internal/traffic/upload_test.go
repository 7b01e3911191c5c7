package traffic

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestUploadsAreCheckedByTheirDigest(t *testing.T) {
	var seen, chunked, spoilt atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength < 0 {
			chunked.Add(1)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read upload: %v", err)
		}
		if seen.Add(1)%5 == 0 { // one bit is wrong
			spoilt.Add(1)
			body = bytes.Clone(body)
			body[len(body)/2] ^= 1
		}
		fmt.Fprintf(w, `{"sha256":"%x","size":%d}`, sha256.Sum256(body), len(body))
	})
	report := Load{URL: url, Request: Upload("/upload"), Rate: 50, Duration: time.Second, Sources: 5}.Run(t.Context())
	if report.Sent != 50 || report.Answered != 50 {
		t.Errorf("got %v", report)
	}
	if report.Failed != int(spoilt.Load()) || report.Failed != 10 {
		t.Errorf("%d failed, %d spoilt, want 10", report.Failed, spoilt.Load())
	}
	if chunked.Load() != 25 {
		t.Errorf("%d uploads chunked, want 25", chunked.Load())
	}
	if got := report.Failures[0].Err; !strings.Contains(got, "does not name its digest") {
		t.Errorf("the failure does not speak of the digest: %s", got)
	}
}

func TestUploadsDifferAndCanBePlayedAgain(t *testing.T) {
	first, again := Upload("/"), Upload("/")
	sizes := make(map[int]bool)
	for i := range 100 {
		body := first(i).Body
		if !bytes.Equal(body, again(i).Body) {
			t.Fatalf("upload %d is different the second time", i)
		}
		if len(body) < smallestUpload || len(body) > largestUpload {
			t.Errorf("upload %d has %d bytes", i, len(body))
		}
		sizes[len(body)] = true
	}
	if len(sizes) < 90 {
		t.Errorf("only %d different sizes in 100 uploads", len(sizes))
	}
}

func TestUploadWantsStatus200(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) })
	report := Load{URL: url, Request: Upload("/upload"), Rate: 10, Duration: 100 * time.Millisecond}.Run(t.Context())
	if report.Failed != 1 {
		t.Errorf("a refused upload is no failure: %v", report)
	}
}
