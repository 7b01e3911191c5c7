package platform

import (
	"regexp"
	"strings"
)

var placeholder = regexp.MustCompile(`\$?\$\{(env:)?[A-Za-z_][A-Za-z0-9_]*\}`)

// Expand replaces every ${NAME} that is among the names. Others stay, for a shell to fill in; $${NAME} becomes ${NAME}.
func Expand(text string, names map[string]string) string {
	return placeholder.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "$$") {
			return match[1:]
		}
		if value, ok := names[match[2:len(match)-1]]; ok {
			return value
		}
		return match
	})
}
