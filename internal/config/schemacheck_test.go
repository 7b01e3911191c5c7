package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// checkSchema holds a file against a schema. It knows the words that this schema uses and fails at any other, so
// that none is passed over in silence.
func checkSchema(schema map[string]any, src []byte) error {
	root, faults := readYAML(src)
	if len(faults) > 0 {
		return fmt.Errorf("%v", faults)
	}
	return holds{schema}.check(schema, root)
}

type holds struct{ root map[string]any }

func (h holds) check(schema map[string]any, n *node) error {
	for word, rule := range schema {
		if err := h.rule(word, rule, schema, n); err != nil {
			return fmt.Errorf("%d:%d: %w", n.at.line, n.at.column, err)
		}
	}
	return nil
}

func (h holds) rule(word string, rule any, schema map[string]any, n *node) error {
	switch word {
	case "$schema", "$defs", "title", "description", "default":
		return nil
	case "$ref":
		name := strings.TrimPrefix(rule.(string), "#/$defs/")
		return h.check(h.root["$defs"].(map[string]any)[name].(map[string]any), n)
	case "type":
		return kindIs(rule.(string), n)
	case "enum":
		for _, allowed := range rule.([]any) {
			if n.text == allowed {
				return nil
			}
		}
		return fmt.Errorf("%q is not in %v", n.text, rule)
	case "const":
		if n.kind != number || n.text != fmt.Sprint(rule) {
			return fmt.Errorf("%q is not %v", n.text, rule)
		}
	case "pattern":
		if n.kind == text && !regexp.MustCompile(rule.(string)).MatchString(n.text) {
			return fmt.Errorf("%q does not match %s", n.text, rule)
		}
	case "minimum", "maximum":
		v, err := strconv.ParseFloat(n.text, 64)
		if n.kind == number && (err != nil || word == "minimum" && v < rule.(float64) || word == "maximum" && v > rule.(float64)) {
			return fmt.Errorf("%s: %s is %v", n.text, word, rule)
		}
	case "oneOf", "anyOf":
		return h.forms(word, rule.([]any), n)
	case "items":
		for _, item := range n.items {
			if err := h.check(rule.(map[string]any), item); err != nil {
				return err
			}
		}
	default:
		return h.keys(word, rule, schema, n)
	}
	return nil
}

// keys checks the rules about mappings.
func (h holds) keys(word string, rule any, schema map[string]any, n *node) error {
	known, _ := schema["properties"].(map[string]any)
	switch word {
	case "properties", "additionalProperties":
		for _, e := range n.entries {
			property, ok := known[e.name].(map[string]any)
			if rule == false && !ok {
				return fmt.Errorf("%q is not allowed", e.name)
			}
			if rest, open := rule.(map[string]any); word == "additionalProperties" && open && !ok {
				property, ok = rest, true
			} else if word == "additionalProperties" {
				ok = false // checked under properties
			}
			if ok {
				if err := h.check(property, e.value); err != nil {
					return err
				}
			}
		}
	case "propertyNames":
		for _, e := range n.entries {
			if err := h.check(rule.(map[string]any), &node{kind: text, text: e.name}); err != nil {
				return err
			}
		}
	case "required":
		for _, name := range rule.([]any) {
			if _, ok := n.key(name.(string)); !ok {
				return fmt.Errorf("%v is missing", name)
			}
		}
	case "maxProperties":
		if float64(len(n.entries)) > rule.(float64) {
			return fmt.Errorf("%d keys, at most %v", len(n.entries), rule)
		}
	default:
		return fmt.Errorf("the schema uses %q, which this check does not know", word)
	}
	return nil
}

func (h holds) forms(word string, forms []any, n *node) error {
	fit := 0
	var last error
	for _, form := range forms {
		if err := h.check(form.(map[string]any), n); err != nil {
			last = err
		} else {
			fit++
		}
	}
	if fit == 0 || word == "oneOf" && fit > 1 {
		return fmt.Errorf("%d forms fit: %w", fit, last)
	}
	return nil
}

func kindIs(want string, n *node) error {
	got := map[kind]string{boolean: "boolean", number: "number", text: "string", list: "array", mapping: "object"}[n.kind]
	if _, err := strconv.Atoi(n.text); want == "integer" && n.kind == number && err == nil {
		return nil
	}
	if got != want {
		return fmt.Errorf("%s instead of %s", got, want)
	}
	return nil
}
