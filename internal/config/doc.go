// Package config reads naru.yaml. Load and Parse answer a File whose services are normalised, valid and free of
// relative paths, or Errors: everything that is wrong, each with its line and column.
//
// YAML of the file and JSON of the API go the same way. Either becomes a tree of nodes that know where they
// stand; one decoder walks the tree along the Go types (deploy.Service and what it consists of), so that an
// unknown key, a wrong type and a bad duration read the same in both, and the schema that Schema derives from
// these types cannot say anything else.
package config
