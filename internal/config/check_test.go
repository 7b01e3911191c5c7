package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/naru-deploy/naru/internal/config"
	"github.com/naru-deploy/naru/internal/deploy"
)

// a is a service without fault, to put things beside.
const a = "services:\n  a: {hosts: [a.test], process: {command: [./a, \"${VERSION}\"]}}\n"

// TestTogether: values that are right each for itself and wrong together. An empty want is a file without fault.
func TestTogether(t *testing.T) {
	cases := []struct{ name, src, want string }{
		{"same host and path", a + "  b: {hosts: [b.test, a.test], process: {command: [./b]}}\n",
			"n.yaml:3:23: services.b.hosts[1]: service a answers a.test/ already, see n.yaml:2:15"},
		{"same host twice in one", "services: {a: {hosts: [a.test, a.test], process: {command: [./a]}}}\n", "n.yaml:1:32: services.a.hosts[1]: \"a.test\" stands here twice"},
		{"same host, other path", a + "  b: {hosts: [a.test], path: /b, process: {command: [./b]}}\n", ""},
		{"every host beside one", a + "  b: {process: {command: [./b]}}\n", ""},
		{"every host twice", a + "  b: {process: {command: [./b]}}\n  c: {process: {command: [./c]}}\n",
			"n.yaml:4:3: services.c.path: service b answers every host, / already, see n.yaml:3:3"},
		{"workers have no routes", a + "  b: {port: none, process: {command: [./b]}}\n  c: {port: none, process: {command: [./c]}}\n", ""},
		{"preview takes a host", a + "  b: {hosts: [b.test], process: {command: [./b]}, strategy: {blue_green: {preview: {host: a.test}}}}\n",
			"n.yaml:3:91: services.b.strategy.blue_green.preview.host: a.test already belongs to service a"},
		{"admin takes the port of http", "server: {admin: \"127.0.0.1:8080\"}\n" + a, "n.yaml:1:17: server.admin: 127.0.0.1:8080 cannot be listened on together with server.http[0], :8080"},
		{"same port on two addresses", "server: {http: [\"127.0.0.1:80\", \"127.0.0.2:80\"]}\n" + a, ""},
		{"any free port twice", "server: {http: [\":0\", \":0\"], admin: \"127.0.0.1:0\"}\n" + a, ""},
		{"admin for everybody", "server: {admin: \"10.0.0.1:7070\"}\n" + a, "n.yaml:1:17: server.admin: 10.0.0.1:7070 can be reached from elsewhere"},
		{"admin for everybody with token", "server: {admin: \"10.0.0.1:7070\", admin_token_file: token}\n" + a, ""},
		{"https without tls", "server: {https: [\":443\"]}\n" + a, "n.yaml:1:10: server.https: needs server.tls"},
		{"cert without key", "server: {https: [\":443\"], tls: {cert: c.pem}}\n" + a, "n.yaml:1:27: server.tls: cert and key are needed together"},
		{"host with key alone", "server: {https: [\":443\"], tls: {a.test: {key: c.pem}}}\n" + a, "n.yaml:1:33: server.tls.a.test: cert and key are needed together"},
		{"too few ports", "server: {ports: 30000-30002}\nservices: {a: {instances: 4, process: {command: [./a]}}}\n", "n.yaml:1:17: server.ports: 30000-30002 are 3 ports, and the services have 4 instances"},
		{"name too long", "services:\n  " + strings.Repeat("a", 42) + ": {process: {command: [./a]}}\n", "n.yaml:2:3: services." + strings.Repeat("a", 42) + ": "},
		{"exclusive with instances", "services:\n  a:\n    exclusive: true\n    instances: 2\n    process: {command: [./a]}\n",
			"n.yaml:4:16: services.a.instances: 2 instances of a program that cannot run twice (exclusive: true)"},
		{"exclusive with a strategy", "services:\n  a:\n    exclusive: true\n    process: {command: [./a]}\n    strategy: {rolling: {}}\n",
			"n.yaml:5:5: services.a.strategy: has no place beside exclusive: true"},
		{"exclusive with a bake", "services: {a: {exclusive: true, bake: 1m, process: {command: [./a]}}}\n", ""},
		{"a bake outside of its strategy", "services: {a: {bake: 1m, process: {command: [./a]}}}\n", "n.yaml:1:22: services.a.bake: stands here only beside exclusive: true; write it into the strategy, such as strategy: {rolling: {bake: 1m}}"},
		{"a port of its own", "services: {a: {exclusive: true, port: 5000, process: {command: [./a]}}}\n", ""},
		{"a port without exclusive", "services: {a: {port: 5000, process: {command: [./a]}}}\n", "n.yaml:1:22: services.a.port: 5000 is one port, and while a version is replaced two instances would want it"},
		{"a port that is none", "services: {a: {exclusive: true, port: http, process: {command: [./a]}}}\n", "n.yaml:1:39: services.a.port: \"http\" is not known here"},
		{"two services with one port", "services:\n  a: {hosts: [a.test], exclusive: true, port: 5000, process: {command: [./a]}}\n  b: {hosts: [b.test], exclusive: true, port: 5000, process: {command: [./b]}}\n",
			"n.yaml:3:47: services.b.port: port 5000 belongs to service a already"},
		{"the port of naru itself", "services: {a: {exclusive: true, port: 7070, process: {command: [./a]}}}\n", "n.yaml:1:39: services.a.port: port 7070 belongs to server.admin (127.0.0.1:7070) already"},
		{"a port among the instances'", "services: {a: {exclusive: true, port: 20001, process: {command: [./a]}}}\n", "n.yaml:1:39: services.a.port: port 20001 lies in server.ports (20000-29999)"},
		{"only a server", "server: {}\n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("n.yaml", []byte(c.src))
			var errs config.Errors
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (!errors.As(err, &errs) || len(errs) != 1 || !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	cases := []struct{ name, src, want string }{
		{"no services", "server: {}\n", "n.yaml:1:1: there are no services"},
		{"listens nowhere", "server: {http: []}\n" + a, "n.yaml:1:10: server.http: naru listens nowhere"},
		{"tls without https", "server: {tls: {cert: c, key: k}}\n" + a, "n.yaml:1:10: server.tls: is not used"},
		{"listens among the instances", "server: {http: [\":20001\"]}\n" + a, "n.yaml:1:17: server.http[0]: :20001 lies within server.ports"},
		{"listens above the instances", "server: {http: [\":30000\"]}\n" + a, ""},
		{"one program for all versions", "services: {a: {process: {command: [./a]}}}\n", "n.yaml:1:16: services.a.process: neither ${VERSION} nor an artifact"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := config.Parse("n.yaml", []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			w := f.Warnings()
			if c.want == "" && len(w) == 0 {
				return
			}
			if len(w) != 1 || !strings.HasPrefix(w[0].Error(), c.want) {
				t.Errorf("got  %v\nwant %s", w, c.want)
			}
		})
	}
}

// TestPlace: a problem that the server has found is shown where the file says it.
func TestPlace(t *testing.T) {
	const src = `services:
  chat: {process: {command: [./chat, "${VERSION}"]}}
  shop:
    hosts: [shop.test]
    process: {command: [./shop, "${VERSION}"]}
    analysis:
      sources:
        - {name: orders, command: [./orders.sh], max: 1}
        - name: queue
          prometheus:
            url: http://me:s3cret@127.0.0.1:9090
            query: up
          max: 3
`
	f, err := config.Parse("n.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ service, path, want string }{
		{"shop", "analysis.sources[1].prometheus.url", "n.yaml:11:18: services.shop.analysis.sources[1].prometheus.url: broken"},
		{"shop", "analysis.sources[0].command", "n.yaml:8:26: services.shop.analysis.sources[0].command: broken"},
		{"shop", "analysis.sources[1].timeout", "n.yaml:9:11: services.shop.analysis.sources[1].timeout: broken"}, // left out
		{"shop", "analysis.sources[2]", "n.yaml:7:7: services.shop.analysis.sources[2]: broken"},
		{"shop", "", "n.yaml:3:3: services.shop: broken"},
		{"chat", "analysis.alpha", "n.yaml:2:3: services.chat.analysis.alpha: broken"},
		{"mail", "analysis.alpha", "n.yaml:1:1: services.mail.analysis.alpha: broken"},
	}
	for _, c := range cases {
		got := f.Place(c.service, deploy.Problem{Path: c.path, Message: "broken"})
		if first, _, _ := strings.Cut(got.Error(), "\n"); first != c.want {
			t.Errorf("got  %s\nwant %s", first, c.want)
		}
		if strings.Contains(got.Error(), "s3cret") {
			t.Errorf("the password is shown: %v", got)
		}
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := keyPair(t)
	_, otherKey := keyPair(t)
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("cert.pem", cert)
	write("key.pem", key)
	write("other.pem", otherKey)
	write("token", []byte("secret\n"))
	write("empty", nil)
	cases := []struct{ name, server, want string }{
		{"all there", "{https: [\":443\"], tls: {cert: cert.pem, key: key.pem}, admin_token_file: token}", ""},
		{"no certificate", "{https: [\":443\"], tls: {cert: none.pem, key: key.pem}}", ":1:39: server.tls.cert: cannot be read"},
		{"a folder for a key", "{https: [\":443\"], tls: {a.test: {cert: cert.pem, key: .}}}", ":1:63: server.tls.a.test.key: "},
		{"another's key", "{https: [\":443\"], tls: {cert: cert.pem, key: other.pem}}", ":1:27: server.tls: "},
		{"no token", "{admin_token_file: none}", ":1:28: server.admin_token_file: cannot be read"},
		{"empty token", "{admin_token_file: empty}", ":1:28: server.admin_token_file: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(dir, "naru.yaml")
			f, err := config.Parse(name, []byte("server: "+c.server+"\n"+a))
			if err != nil {
				t.Fatal(err)
			}
			err = f.CheckFiles()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), name+c.want)):
				t.Errorf("got  %v\nwant %s", err, name+c.want)
			}
		})
	}
}

// keyPair makes a self-signed certificate and its key, in PEM form.
func keyPair(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}
