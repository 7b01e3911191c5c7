package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/naru-deploy/naru/internal/deploy"
)

// decoder walks a tree along a Go type. It never stops at a fault, so one reading finds all of them.
type decoder struct{ faults []fault }

func (d *decoder) fault(at position, path, format string, args ...any) {
	d.faults = append(d.faults, fault{at, path, fmt.Sprintf(format, args...)})
}

// treeDecoder is a type whose form in the file does not follow from its Go type.
type treeDecoder interface {
	decodeNode(d *decoder, n *node, path string)
}

// value decodes n into v, which is addressable.
func (d *decoder) value(n *node, v reflect.Value, path string) {
	if n.kind == refused {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
		return
	}
	switch to := v.Addr().Interface().(type) {
	case treeDecoder:
		to.decodeNode(d, n, path)
		return
	case *deploy.Variable:
		d.variable(n, to, path)
		return
	case *deploy.PortSpan:
		d.text(n, (*portText)(to), path)
		return
	case *netip.Prefix:
		d.text(n, (*networkText)(to), path)
		return
	case encoding.TextUnmarshaler:
		// A type may have a short form in text and a long one in keys, as a canary step has.
		if n.kind != mapping || v.Kind() != reflect.Struct {
			d.text(n, to, path)
			return
		}
	}
	d.plain(n, v, path)
}

// plain decodes by the kind of Go type alone.
func (d *decoder) plain(n *node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		d.object(n, v, path)
	case reflect.Map:
		d.table(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.String:
		if d.is(n, text, path) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if d.is(n, boolean, path) {
			v.SetBool(strings.EqualFold(n.text, "true"))
		}
	case reflect.Int:
		d.whole(n, v, path)
	case reflect.Float64:
		d.float(n, v, path)
	default:
		panic(fmt.Sprintf("config: no form in the file for %s", v.Type())) // a new kind of field, found by any test
	}
}

// text lets a type read itself: a duration, a share, a size. A plain number is the type's to accept.
func (d *decoder) text(n *node, to encoding.TextUnmarshaler, path string) {
	if n.kind != number && !d.is(n, text, path) {
		return
	}
	if err := to.UnmarshalText([]byte(n.text)); err != nil {
		d.fault(n.at, path, "%v", err)
	}
}

const noValue = "has no value: give it one, or remove the key"

// is reports whether n is of that kind, and otherwise says what to write instead.
func (d *decoder) is(n *node, want kind, path string) bool {
	switch {
	case n.kind == want:
		return true
	case n.kind == null:
		d.fault(n.at, path, noValue)
	case want == text && (n.kind == number || n.kind == boolean):
		d.fault(n.at, path, "must be text: put it in quotes, %q", n.text)
	case want == list:
		d.fault(n.at, path, "must be a list, such as [a, b], and is %s", n.kind)
	case want == mapping:
		d.fault(n.at, path, "must be a mapping of keys to values, and is %s", n.kind)
	default:
		d.fault(n.at, path, "must be %s, and is %s", want, n.kind)
	}
	return false
}

// wholeNumber leaves out what readers of YAML disagree about: 010, 0x10, 1_000, +1.
var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func (d *decoder) whole(n *node, v reflect.Value, path string) {
	if n.kind != number {
		d.notNumber(n, path, "a whole number")
		return
	}
	i, err := strconv.Atoi(n.text)
	if err != nil || !wholeNumber.MatchString(n.text) {
		d.fault(n.at, path, "%s is not a whole number in plain digits", n.text)
		return
	}
	v.SetInt(int64(i))
}

func (d *decoder) float(n *node, v reflect.Value, path string) {
	if n.kind != number {
		d.notNumber(n, path, "a number")
		return
	}
	f, err := strconv.ParseFloat(n.text, 64)
	if err != nil { // also for .nan, .inf and what is too large
		d.fault(n.at, path, "%s is not a number in plain digits", n.text)
		return
	}
	v.SetFloat(f)
}

func (d *decoder) notNumber(n *node, path, want string) {
	_, err := strconv.ParseFloat(n.text, 64)
	switch {
	case n.kind == null:
		d.fault(n.at, path, noValue)
	case n.kind == text && err == nil:
		d.fault(n.at, path, "must be %s: remove the quotes around %s", want, n.text)
	default:
		d.fault(n.at, path, "must be %s, and is %s", want, n.kind)
	}
}

func (d *decoder) list(n *node, v reflect.Value, path string) {
	if !d.is(n, list, path) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// table decodes a map whose keys the user chooses: services, environment variables, hosts.
func (d *decoder) table(n *node, v reflect.Value, path string) {
	if !d.is(n, mapping, path) {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.entries)))
	for _, e := range n.entries {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, value, join(path, e.name))
		v.SetMapIndex(reflect.ValueOf(e.name), value)
	}
}

// object decodes a mapping whose keys are the fields of a struct.
func (d *decoder) object(n *node, v reflect.Value, path string) {
	if n.kind == null {
		d.fault(n.at, path, "has no value: write {} for the defaults, or remove the key")
		return
	}
	if !d.is(n, mapping, path) {
		return
	}
	known := fieldsOf(v.Type())
	for _, e := range n.entries {
		below := join(path, e.name)
		i := slices.IndexFunc(known, func(f field) bool { return f.name == e.name })
		if i < 0 {
			d.fault(e.at, below, "%s", unknownKey(v.Type(), e.name))
			continue
		}
		before := len(d.faults)
		d.value(e.value, v.Field(known[i].index), below)
		if len(d.faults) == before && e.value.kind != refused {
			d.meaning(e.value, v.Field(known[i].index), known[i], below)
		}
	}
}

// meaning refuses a written zero that could not be told from a key left out, and would turn into the default.
func (d *decoder) meaning(n *node, v reflect.Value, f field, path string) {
	switch {
	case !v.IsZero():
	case v.Kind() == reflect.String:
		d.fault(n.at, path, "is empty: give it a value, or remove the key")
	case f.defaulted():
		d.fault(n.at, path, "%s is not possible: write more, or leave the key out for the default, %s", n.text, f.preset)
	case v.Kind() == reflect.Bool && f.owner == reflect.TypeFor[deploy.Health]():
		d.fault(n.at, path, "false is no check: write another one of http, grpc and command instead")
	}
}

// field is a key of the file: a struct field with its tags taken apart.
type field struct {
	owner  reflect.Type
	index  int
	name   string
	preset string // the default, in the form of the file; empty: none
}

// defaulted reports whether leaving the key out means something else than its zero value.
func (f field) defaulted() bool {
	return !slices.Contains([]string{"", "0", "0s", "0%"}, f.preset)
}

func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		fields = append(fields, field{owner: t, index: i, name: name, preset: preset(f.Tag.Get("jsonschema"))})
	}
	return fields
}

// preset takes the default out of a tag; the parts of a list are joined by commas. "all of them" is everything that
// the tag's enum allows.
func preset(tag string) string {
	var presets, allowed []string
	for part := range strings.SplitSeq(tag, ",") {
		if value, ok := strings.CutPrefix(part, "default="); ok {
			presets = append(presets, value)
		}
		if value, ok := strings.CutPrefix(part, "enum="); ok {
			allowed = append(allowed, value)
		}
	}
	if len(presets) == 1 && presets[0] == everything {
		presets = allowed
	}
	return strings.Join(presets, ", ")
}

// everything is the default of a list that holds whatever its values may be.
const everything = "all of them"
