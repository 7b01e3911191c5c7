package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/naru-deploy/naru/internal/deploy"
)

// variable stands in for deploy.Variable in the OpenAPI document: its two forms do not follow from the Go type.
type variable struct{}

// Schema is a text, or the place where the value is found.
func (variable) Schema(huma.Registry) *huma.Schema {
	place := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: false, MaxProperties: new(1), Properties: map[string]*huma.Schema{
		"file":    {Type: huma.TypeString, Description: "File of the machine that naru serves on, with the value."},
		"command": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}, Description: "Command that prints the value."},
	}}
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, place}}
}

// describeVariables makes the document say what values of an environment look like.
func describeVariables(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[deploy.Variable](), reflect.TypeFor[variable]())
}
