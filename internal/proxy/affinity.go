package proxy

import (
	"crypto/rand"
	"encoding/hex"
)

// UserCookie is the name of the cookie that holds the user id. Engines set it
// HttpOnly, SameSite=Lax, Path=/.
const UserCookie = "naru_user"

// maxUser bounds what is accepted as a user id, in bytes; naru's own have 32.
const maxUser = 128

// user is the id by which the route knows a visitor, empty when it knows none.
// made is an id given before to the same request; fresh tells that the id was
// made up and must be sent back as a cookie.
func (rt *route) user(v *Visitor, made string) (id string, fresh bool) {
	switch rt.spec.Affinity.By {
	case ByClientIP:
		if v.Client.IsValid() {
			return v.Client.Unmap().String(), false
		}
	case ByHeader:
		return v.header(rt.spec.Affinity.Header), false
	case ByCookie:
		if id := v.cookie(UserCookie); id != "" && len(id) <= maxUser {
			return id, false
		}
		// At rest there is nothing to remember, and no reason for a cookie.
		if rt.spec.Canary == "" && !rt.spec.Affinity.Sticky {
			return "", false
		}
		if made != "" {
			return made, true
		}
		return newUser(), true
	}
	return "", false
}

// newUser is a random id of 128 bits in hex.
func newUser() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

// userHash places a user within a rollout. It must give the same number in
// every process and release, or users would change sides in mid-rollout:
// FNV-1a (64 bit) over salt, a zero byte and id, then the finaliser of
// MurmurHash3 (fmix64), because the low bits of FNV-1a alone are weak for
// inputs that differ only in their last bytes.
func userHash(salt, id string) uint64 {
	const offset, prime = 0xcbf29ce484222325, 0x100000001b3
	x := uint64(offset)
	for i := range len(salt) {
		x = (x ^ uint64(salt[i])) * prime
	}
	x *= prime // the zero byte
	for i := range len(id) {
		x = (x ^ uint64(id[i])) * prime
	}
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return x
}

// rendezvous is the backend with the highest hash together with the user
// (Thaler and Ravishankar 1998): when a backend comes or goes, only the users
// whose best it is move. The ID counts, not the address, so that users of a
// restarted instance come back to it.
func rendezvous(user string, ready []*Backend) *Backend {
	var best *Backend
	var top uint64
	for _, b := range ready {
		if h := userHash(b.id, user); best == nil || h > top {
			best, top = b, h
		}
	}
	return best
}
