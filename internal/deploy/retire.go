package deploy

import (
	"cmp"
	"slices"
)

// retire takes away instances that nobody wants to answer: broken ones at once, others as long as MinServing stays and
// their revision answers for nothing. Instances that never had a part in the traffic, such as a green that was not
// swapped in, serve nobody and count for nothing. It reports whether any that answered went.
func (v *view) retire(shares map[string]Share) (gone bool) {
	carries := func(n *one) bool {
		return n.on && n.health != Unhealthy && (n.member.Served || v.carries(n, shares))
	}
	serving := 0
	for i := range v.all {
		if n := &v.all[i]; carries(n) && n.healthy() {
			serving++
		}
	}
	for _, n := range v.retirees() {
		if !carries(n) {
			n.on = false
			continue
		}
		left := serving
		if n.healthy() {
			left--
		}
		if left >= v.p.MinServing && !v.leftover(n, shares) {
			n.on, serving, gone = false, left, true
		}
	}
	return gone
}

// retirees lists who should no longer be given requests, in the order in which they go: broken ones first, then the
// newest revision.
func (v *view) retirees() (out []*one) {
	for i := range v.all {
		if n := &v.all[i]; n.on && (!n.wanted || n.idle) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *one) int {
		return cmp.Or(-cmp.Compare(rank(a), rank(b)), -cmp.Compare(Number(a.Revision), Number(b.Revision)), -cmp.Compare(a.Slot, b.Slot))
	})
	return out
}

// leftover reports whether an instance is still needed for what stable cannot take yet: the rest of its revision could
// not answer that within the overload rule. Where its place is needed to bring up what the picture awaits, it goes all the same.
func (v *view) leftover(n *one, shares map[string]Share) bool {
	if _, known := v.p.group(n.Revision); known || v.p.proportional() || shares[n.Revision] == 0 {
		return false
	}
	if v.p.Hold && v.missing() > 0 { // its place is needed, by what is ready to take it
		return !v.startable()
	}
	if v.missing() > 0 && v.live() >= v.p.MaxTotal {
		return false
	}
	rest := 0
	for i := range v.all {
		if other := &v.all[i]; other.on && other != n && other.Revision == n.Revision && other.healthy() {
			rest++
		}
	}
	return rest == 0 || v.p.cap(rest) < shares[n.Revision]
}
