package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/naru-deploy/naru/internal/platform"
)

// Key makes digests of secrets. Without it nobody can try out which value has a digest.
type Key struct{ bytes []byte }

// OpenKey reads the key of a state folder, and makes one the first time. Where the key is lost every value looks changed once.
func OpenKey(path string) (Key, error) {
	var text []byte
	err := platform.ReadJSON(path, &text)
	switch {
	case err == nil && len(text) == sha256.Size:
		return Key{text}, nil
	case err == nil:
		return Key{}, fmt.Errorf("%s is damaged: it holds no key; remove it, and a new one is made", path)
	case !os.IsNotExist(err):
		return Key{}, err
	}
	text = make([]byte, sha256.Size)
	_, _ = rand.Read(text) // it never fails
	return Key{text}, platform.WriteJSON(path, text)
}

// Digest is HMAC-SHA256 of a value in hex. It differs by service and place, so that nobody sees where one value is used twice.
func (k Key) Digest(service, place, value string) string {
	h := hmac.New(sha256.New, k.bytes)
	for _, part := range []string{service, place, value} {
		_, _ = io.WriteString(h, fmt.Sprintf("%d:%s", len(part), part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Digests are those of a whole set, by the variables' places below at.
func (k Key) Digests(service, at string, s Set) map[string]string {
	digests := make(map[string]string, len(s.values))
	for name, value := range s.values {
		digests[at+"."+name] = k.Digest(service, at+"."+name, value)
	}
	return digests
}
