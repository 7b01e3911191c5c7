package store

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Record is a rollout as history keeps it.
type Record struct {
	Rollout deploy.Rollout  `json:"rollout"`
	Version string          `json:"version"`
	Message string          `json:"message,omitempty"`
	Who     string          `json:"who,omitempty"`     // asked for it, as far as is known
	Cut     bool            `json:"cut,omitempty"`     // its revision is kept no longer: this is only a row of history
	Receipt *deploy.Receipt `json:"receipt,omitempty"` // once it has ended
	Ledger  json.RawMessage `json:"ledger,omitempty"`  // the counting of an open one; the engine's own
	Judging json.RawMessage `json:"judging,omitempty"` // the analysis of an open one; likewise
}

// sequence is the 12 of chat-12.
func sequence(rollout string) uint64 {
	n, _ := strconv.ParseUint(rollout[strings.LastIndexByte(rollout, '-')+1:], 10, 64)
	return n
}
