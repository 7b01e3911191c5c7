package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// unknownKey says what to do about a key that a type does not have.
func unknownKey(t reflect.Type, key string) string {
	if instead, planned := notYet(t, key); planned {
		return fmt.Sprintf("%q is not supported yet by this version of naru; remove it%s", key, instead)
	}
	if hint := elsewhere(t, key); hint != "" {
		return fmt.Sprintf("unknown key %q; %s", key, hint)
	}
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	if near := nearest(key, names); near != "" {
		return fmt.Sprintf("unknown key %q; did you mean %q?", key, near)
	}
	return fmt.Sprintf("unknown key %q; known here: %s", key, strings.Join(names, ", "))
}

// notYet knows the keys that naru's design has and this version does not: what to do without them.
func notYet(t reflect.Type, key string) (instead string, planned bool) {
	var keys map[string]string
	switch t {
	case reflect.TypeFor[Server]():
		keys = map[string]string{"http3": " (https answers HTTP/1.1 and HTTP/2)"}
	case reflect.TypeFor[TLS](), reflect.TypeFor[KeyPair]():
		keys = map[string]string{"acme": " and name certificate files by cert and key"}
	case reflect.TypeFor[deploy.Service]():
		keys = map[string]string{
			"rescue":     " (retries repeat idempotent requests that got no answer)",
			"outlier":    " (health takes failing instances out)",
			"slow_start": "",
			"schema":     " and migrate the database before the deploy",
			"tcp":        " (services are reached by HTTP)",
			"tls":        " and name certificates under server.tls",
			"mirror":     "",
		}
	case reflect.TypeFor[deploy.CanaryStep]():
		keys = map[string]string{"mirror": " (the step's tests can send requests before it gets traffic)"}
	}
	instead, planned = keys[key]
	return instead, planned
}

// elsewhere knows keys that people write by habit, from earlier versions of naru or from other tools, and says where
// what they mean has its place.
func elsewhere(t reflect.Type, key string) string {
	var keys map[string]string
	switch t {
	case reflect.TypeFor[deploy.Analysis]():
		keys = map[string]string{
			"min_requests": "it is gone: the analysis waits for evidence, not for a number of requests; remove it",
			"metrics":      "figures from elsewhere are named under sources",
			"thresholds":   "objectives bound errors and p99, and a source's max and min bound figures from elsewhere",
			"errors":       "it belongs under objectives, or under margins",
			"p99":          "it belongs under objectives",
			"latency":      "objectives.p99 bounds it, margins.latency says how much slower is no worse",
		}
	case reflect.TypeFor[deploy.Docker]():
		keys = dockerHabits
	case reflect.TypeFor[deploy.Variable]():
		keys = map[string]string{
			"env":    "write the text ${env:NAME} for the variable NAME of naru serve",
			"secret": "write file: PATH, or command: [PROGRAM, …]",
			"path":   "write file: PATH",
			"value":  "write the text by itself, without {…}",
		}
	case reflect.TypeFor[deploy.Source]():
		keys = map[string]string{
			"url":       "it belongs under prometheus or webhook",
			"query":     "it belongs under prometheus, beside its url",
			"headers":   "it belongs under webhook, beside its url",
			"threshold": "write max or min, and max_ratio or min_ratio to compare with the old version",
		}
	}
	return keys[key]
}

// nearest returns the name that key was most probably meant to be, or nothing.
func nearest(key string, names []string) string {
	best, near := 1+max(1, len(key)/3), ""
	for _, name := range names {
		if d := distance(strings.ToLower(key), name); d < best {
			best, near = d, name
		}
	}
	return near
}

// distance counts the letters to insert, remove, change or swap with their neighbour to get from a to b
// (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 64 { // no key is that long
		return len(a)
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
