package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/invopop/jsonschema"

	"github.com/naru-deploy/naru/internal/deploy"
)

// Schema returns the JSON Schema (2020-12) of the file, for editors. It follows from the types that the decoder
// walks along; what no schema can say, such as steps that go down, is left to Parse.
func Schema() ([]byte, error) {
	r := jsonschema.Reflector{Anonymous: true, ExpandedStruct: true, Mapper: written}
	s := r.ReflectFromType(reflect.TypeFor[layout]())
	s.Title = "naru.yaml"
	if services, ok := s.Properties.Get("services"); ok {
		services.PropertyNames = &jsonschema.Schema{Pattern: serviceName.String()}
	}
	// Both forms of a step, each with what it may hold.
	if object := s.Definitions["CanaryStep"]; object != nil {
		s.Definitions["CanaryStep"] = &jsonschema.Schema{OneOf: []*jsonschema.Schema{written(reflect.TypeFor[deploy.Share]()), object}}
	}
	// A value of an environment is a text, or one place where it is found.
	if object := s.Definitions["Variable"]; object != nil {
		object.MaxProperties = new(uint64(1))
		s.Definitions["Variable"] = &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, object}}
	}
	if strategy := s.Definitions["Strategy"]; strategy != nil {
		strategy.MaxProperties = new(uint64(1))
	}
	for _, d := range s.Definitions {
		allowNumbers(d)
		spellOut(d)
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out, nil
}

// allowNumbers lets a size be written as a number of bytes and a duration of nothing as 0. It comes last,
// because descriptions and defaults are only put on values of one plain type.
func allowNumbers(object *jsonschema.Schema) {
	for _, form := range object.OneOf {
		allowNumbers(form)
	}
	if object.Properties == nil {
		return
	}
	for pair := object.Properties.Oldest(); pair != nil; pair = pair.Next() {
		v := pair.Value
		var other *jsonschema.Schema
		switch v.Pattern {
		case durationPattern:
			other = &jsonschema.Schema{Const: 0}
		case sizePattern:
			other = &jsonschema.Schema{Type: "integer", Minimum: "0"}
		default:
			continue
		}
		v.AnyOf = []*jsonschema.Schema{{Type: v.Type, Pattern: v.Pattern}, other}
		v.Type, v.Pattern = "", ""
	}
}

// spellOut puts the values themselves where a list has everything for its default.
func spellOut(object *jsonschema.Schema) {
	if object.Properties == nil {
		return
	}
	for pair := object.Properties.Oldest(); pair != nil; pair = pair.Next() {
		if v := pair.Value; v.Items != nil && reflect.DeepEqual(v.Default, []any{everything}) {
			v.Default = v.Items.Enum
		}
	}
}

// Patterns of what the text types read.
const (
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+|[0-9]+(\.[0-9]+)?d)$`
	sharePattern    = `^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?) ?%$`
	sizePattern     = `^[0-9]+(\.[0-9]+)? ?(KiB|MiB|GiB|kB|KB|MB|GB|B)?$`
	portPattern     = `^(none|[1-9][0-9]{0,4})$`
	portsPattern    = `^[0-9]{1,5}-[0-9]{1,5}$`
	networkPattern  = `^[0-9A-Fa-f:.]+/[0-9]{1,3}$`
)

// written describes types whose form in the file does not follow from their Go type; nil for all others.
func written(t reflect.Type) *jsonschema.Schema {
	plain := func(pattern string) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: pattern} }
	switch t {
	case reflect.TypeFor[deploy.Duration]():
		return plain(durationPattern)
	case reflect.TypeFor[deploy.Share]():
		return plain(sharePattern)
	case reflect.TypeFor[deploy.Size]():
		return plain(sizePattern)
	case reflect.TypeFor[deploy.Port]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "integer", Minimum: "1", Maximum: "65535"}, plain(portPattern)}}
	case reflect.TypeFor[deploy.PortSpan]():
		return plain(portsPattern)
	case reflect.TypeFor[netip.Prefix]():
		return plain(networkPattern)
	case reflect.TypeFor[TLS]():
		pair := (&jsonschema.Reflector{Anonymous: true, DoNotReference: true}).ReflectFromType(reflect.TypeFor[KeyPair]())
		pair.Version = ""
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{pair, {Type: "object", AdditionalProperties: pair}}}
	}
	return nil
}
