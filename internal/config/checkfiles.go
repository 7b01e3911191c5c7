package config

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/naru-deploy/naru/internal/deploy"
)

// CheckFiles looks at the files that the server section names: whether certificates and keys can be read and
// belong together, and whether there is a token. The error is of type Errors. It is for the machine that naru
// serves on; whoever only deploys needs none of these files, and may not be allowed to read them.
func (f *File) CheckFiles() error {
	var problems []deploy.Problem
	for path, pair := range f.Server.TLS.pairs() {
		problems = append(problems, pair.check(path)...)
	}
	if file := f.Server.AdminTokenFile; file != "" {
		if token, err := readSmall(file); err != nil {
			problems = append(problems, deploy.Problem{Path: "server.admin_token_file", Message: err.Error()})
		} else if len(token) == 0 {
			problems = append(problems, deploy.Problem{Path: "server.admin_token_file", Message: file + " is empty: it must hold the token"})
		}
	}
	return f.source.errors(nil, problems)
}

func (k KeyPair) check(path string) (problems []deploy.Problem) {
	cert, err := readSmall(k.Cert)
	if err != nil {
		problems = append(problems, deploy.Problem{Path: path + ".cert", Message: err.Error()})
	}
	key, err := readSmall(k.Key)
	if err != nil {
		problems = append(problems, deploy.Problem{Path: path + ".key", Message: err.Error()})
	}
	if problems != nil {
		return problems
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		problems = append(problems, deploy.Problem{Path: path, Message: fmt.Sprintf("%s and %s cannot be used: %v", k.Cert, k.Key, err)})
	}
	return problems
}

// readSmall reads a regular file of at most 1 MiB. A pipe or device would make naru wait for ever.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return data, nil
}
