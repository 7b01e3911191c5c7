package main

import (
	"slices"
	"sync"
)

// keptPosts bounds the memory of an instance.
const keptPosts = 1000

// post is what one user said.
type post struct {
	ID      int      `json:"id"`
	Author  string   `json:"author"`
	Text    string   `json:"text"`
	Likes   int      `json:"likes"`
	LikedBy []string `json:"liked_by,omitempty"`
}

// posts are the posts that one instance knows, oldest first.
type posts struct {
	mu   sync.Mutex
	all  []post
	next int
}

// newPosts begins with a few, so that the first visitor finds something.
func newPosts() *posts {
	p := &posts{}
	for _, seed := range []post{
		{Author: "ada", Text: "Wrote some notes about an engine.", LikedBy: []string{"grace", "mary"}},
		{Author: "grace", Text: "Found a moth in the relay.", LikedBy: []string{"ada", "katherine", "mary"}},
		{Author: "katherine", Text: "The numbers are good.", LikedBy: []string{"ada"}},
	} {
		p.append(seed)
	}
	return p
}

func (p *posts) add(author, text string) post {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.append(post{Author: author, Text: text})
}

// append numbers a post and lets the oldest go. The lock is held.
func (p *posts) append(added post) post {
	p.next++
	added.ID, added.Likes = p.next, len(added.LikedBy)
	p.all = append(p.all, added)
	if len(p.all) > keptPosts {
		p.all = p.all[1:]
	}
	return added
}

// latest returns up to n posts, the newest first.
func (p *posts) latest(n int) []post {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := slices.Clone(p.all[max(len(p.all)-n, 0):])
	slices.Reverse(found)
	return found
}

// by returns the posts of one author, the newest first.
func (p *posts) by(author string) []post {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []post
	for _, candidate := range slices.Backward(p.all) {
		if candidate.Author == author {
			found = append(found, candidate)
		}
	}
	return found
}
