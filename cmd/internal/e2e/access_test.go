//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graphscore/pipeline/faulttest"
)

// signer is a CA. Its certificate, and those that it issues with their keys, are files of a folder.
type signer struct {
	t           *testing.T
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newSigner writes NAME.pem.
func newSigner(t *testing.T, dir, name string) *signer {
	t.Helper()
	s := &signer{t: t, dir: dir}
	s.certificate, s.key = s.sign(name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	})
	return s
}

// issue writes NAME.pem and NAME.key: a certificate for 127.0.0.1 that ends after some time from now on.
func (s *signer) issue(name string, ends time.Duration) {
	s.sign(name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(ends),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

func (s *signer) sign(name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	s.t.Helper()
	template.SerialNumber, template.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-2*time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	parent, by := s.certificate, s.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		s.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return certificate, key
}

// write replaces a file of the folder at once.
func (s *signer) write(name string, content []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
}

// Tokens of the server, and one that it does not know.
const (
	oldToken   = "0123456789abcdef0123456789abcdef"
	newToken   = "fedcba9876543210fedcba9876543210"
	otherToken = "00000000000000000000000000000000"
)

// Whoever is not let in by our server learns at once why, with one exit code, and never sees a token.
func TestAccess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, other := newSigner(t, dir, "ca"), newSigner(t, dir, "other")
	ca.issue("server", time.Hour)
	ca.issue("client", time.Hour)
	other.issue("stranger", time.Hour)
	ca.write("tokens", []byte("# both are in use while clients change\n"+oldToken+"\n"+newToken+"\n"))
	for name, token := range map[string]string{"new": newToken, "old": oldToken, "wrong": otherToken} {
		ca.write(name+".token", []byte(token+"\n"))
	}
	model := writeModel(t, filepath.Join(dir, "model"), layers(16, 1))
	at := func(name string) string { return filepath.Join(dir, name) }
	secure := []string{"--tls-cert", at("server.pem"), "--tls-key", at("server.key")}
	mutual := serveModel(t, model, append(secure, "--tls-client-ca", at("ca.pem"))...).address
	tokens := serveModel(t, model, append(secure, "--token-file", at("tokens"))...).address
	plain := serveModel(t, model).address
	ca.issue("expired", -time.Minute)
	expired := serveModel(t, model, "--tls-cert", at("expired.pem"), "--tls-key", at("expired.key"), "--tls-client-ca", at("ca.pem")).address

	job := func(t *testing.T, code int, address, more, input string) string {
		t.Helper()
		budget := "1m"
		if code == 69 {
			budget = "2s"
		}
		path := at(strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()) + ".yaml")
		text := fmt.Sprintf("input: {path: %q}\noutput: {path: %q}\nserver:\n  addresses: [%q]\n%slimits: {retry_budget: %s}\n",
			input, filepath.Join(t.TempDir(), "out"), address, more, budget)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := run(t, code, "run", path, "--limit", "5")
		for _, token := range []string{oldToken, newToken, otherToken} {
			if strings.Contains(o.stdout+o.stderr, token) {
				t.Errorf("a token is shown: %s%s", o.stdout, o.stderr)
			}
		}
		return o.stderr
	}
	graphs := absolute(t, example+"/data/held-back.parquet")
	for _, test := range []struct {
		name, address, more string
		code                int
		want                string
	}{
		{"mutual", mutual, "  tls: {ca: ca.pem, cert: client.pem, key: client.key}\n", 0, ""},
		{"no client certificate", mutual, "  tls: {ca: ca.pem}\n", 77, "asked for a client certificate"},
		{"a stranger's", mutual, "  tls: {ca: ca.pem, cert: stranger.pem, key: stranger.key}\n", 77, "the server refuses the client"},
		{"the new token", tokens, "  tls: {ca: ca.pem}\n  token_file: new.token\n", 0, ""},
		{"the old token", tokens, "  tls: {ca: ca.pem}\n  token_file: old.token\n", 0, ""},
		{"a wrong token", tokens, "  tls: {ca: ca.pem}\n  token_file: wrong.token\n", 77, "the bearer token is none of the server's"},
		{"no token", tokens, "  tls: {ca: ca.pem}\n", 77, "the call has no bearer token"},
		{"no file of the token", tokens, "  tls: {ca: ca.pem}\n  token_file: absent.token\n", 77, "absent.token"},
		{"a token without TLS", plain, "  token_file: new.token\n", 78, "a token is sent over TLS only"},
		{"wrong CA", tokens, "  tls: {ca: other.pem}\n", 77, "the CA that signed the server's certificate"},
		{"expired", expired, "  tls: {ca: ca.pem}\n", 77, "renew the certificate"},
		{"an expired client certificate", mutual, "  tls: {ca: ca.pem, cert: expired.pem, key: expired.key}\n", 77, "renew the client certificate"},
		{"wrong name", tokens, "  tls: {ca: ca.pem, server_name: scorer.test}\n", 77, "use the name that the certificate is for"},
		{"plain text to TLS", tokens, "", 77, "it requires TLS"},
		{"TLS to plain text", plain, "  tls: {ca: ca.pem}\n", 77, "the server does not use TLS"},
		{"unreachable", "127.0.0.1:1", "  tls: {ca: ca.pem}\n", 69, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if said := job(t, test.code, test.address, test.more, graphs); !strings.Contains(said, test.want) {
				t.Errorf("it says %s", said)
			}
			if test.code == 77 {
				faulttest.Report(t, faulttest.Row{Case: "29", How: test.name, Outcome: "77, it says: " + test.want, Times: 1})
			}
		})
	}
	t.Run("input that cannot be read, and no server", func(t *testing.T) {
		ca.write("letters.parquet", []byte("no parquet"))
		if said := job(t, 65, "127.0.0.1:1", "", at("letters.parquet")); !strings.Contains(said, "letters.parquet") {
			t.Errorf("it says %s", said)
		}
	})
	t.Run("files that change", func(t *testing.T) {
		ca.issue("server", -time.Minute)
		job(t, 0, tokens, "  tls: {ca: ca.pem}\n  token_file: new.token\n", graphs) // an expired one takes no other's place
		ca.write("server.pem", []byte("no certificate"))
		ca.write("tokens", []byte("short\n"))
		job(t, 0, tokens, "  tls: {ca: ca.pem}\n  token_file: new.token\n", graphs)
		ca.issue("server", time.Hour)
		job(t, 0, tokens, "  tls: {ca: ca.pem}\n  token_file: old.token\n", graphs) // short is no token: those before are in use
		ca.write("tokens", []byte(newToken+"\n"))
		job(t, 0, tokens, "  tls: {ca: ca.pem}\n  token_file: new.token\n", graphs)
		job(t, 77, tokens, "  tls: {ca: ca.pem}\n  token_file: old.token\n", graphs)
		faulttest.Report(t, faulttest.Row{Case: "29", How: "the certificate of a running server: valid, expired, damaged, valid; its tokens: two, damaged, one",
			Outcome: "0 as before, until what is new can be used; 77 for the token that is gone", Times: 2})
	})
}
