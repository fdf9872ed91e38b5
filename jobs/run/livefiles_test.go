package run

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"graphscore/jobs"
)

// TestTokenFileChanges: what is in the file when a call is made is sent, and what was there before where that is no token.
func TestTokenFileChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	write := func(content string) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		job := &jobs.Job{Server: jobs.Server{Addresses: []string{"a:1"}, TLS: new(jobs.TLS), TokenFile: path}}
		token, err := serverToken(job, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		wants := func(want string, warnings int) {
			t.Helper()
			for range 3 {
				if got := token(); string(got) != want {
					t.Errorf("it is %q, not %q", string(got), want)
				}
				time.Sleep(settling)
			}
			if got := strings.Count(log.String(), "what was read before stays in use"); got != warnings {
				t.Errorf("%d warnings, not %d: %s", got, warnings, log.String())
			}
		}
		wants("first", 0)
		write("second\n")
		wants("second", 0)
		write("no token, but a secret")
		wants("second", 1)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wants("second", 2)
		write("third")
		wants("third", 2)
		// Of the same length within the grain of the times of the file: a second later it is read once more.
		write("fourth-")
		info, err := os.Stat(path)
		if err != nil || token() != "fourth-" {
			t.Fatal(token(), err)
		}
		if err := errors.Join(os.WriteFile(path, []byte("fourth+"), 0o600), os.Chtimes(path, time.Time{}, info.ModTime())); err != nil {
			t.Fatal(err)
		}
		time.Sleep(settling)
		wants("fourth+", 2)
		if strings.Contains(log.String(), "secret") {
			t.Errorf("the log has what is in the file: %s", log.String())
		}
	})
}

func TestFilesThatAreReplacedWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	live, err := newLiveFiles(slog.New(slog.DiscardHandler), func(bool) (string, error) {
		content, err := os.ReadFile(path)
		if string(content) == "half" {
			return "", errors.Join(errors.New("a half"), os.WriteFile(path, []byte("the whole"), 0o600))
		}
		return string(content), err
	}, path)
	if err != nil || live.value() != "the whole" {
		t.Errorf("%v, error %v", live, err)
	}
}

// pair is a certificate that signs itself, and its key, in PEM.
type pair struct{ cert, key []byte }

func newPair(t *testing.T, name string, ends time.Duration) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}
}

// TestClientCertificateChanges: a handshake shows a whole pair, whatever is done to its files.
func TestClientCertificateChanges(t *testing.T) {
	t.Parallel()
	first, second, expired := newPair(t, "first", time.Hour), newPair(t, "second", time.Hour), newPair(t, "expired", -time.Hour)
	for name, test := range map[string]struct {
		change func(t *testing.T, cert, key string)
		shown  string
		log    string
	}{
		"nothing":           {func(*testing.T, string, string) {}, "first", ""},
		"key first":         {func(t *testing.T, _, key string) { write(t, key, second.key) }, "first", "private key does not match public key"},
		"certificate first": {func(t *testing.T, cert, _ string) { write(t, cert, second.cert) }, "first", "private key does not match public key"},
		"both":              {func(t *testing.T, cert, key string) { write(t, key, second.key); write(t, cert, second.cert) }, "second", ""},
		"half written":      {func(t *testing.T, cert, _ string) { write(t, cert, second.cert[:99]) }, "first", "failed to find any PEM data"},
		"expired":           {func(t *testing.T, cert, key string) { write(t, key, expired.key); write(t, cert, expired.cert) }, "first", "it is valid from"},
		"removed":           {func(t *testing.T, cert, _ string) { remove(t, cert) }, "first", "no such file"},
		"folders swapped": {func(t *testing.T, cert, _ string) {
			data := filepath.Dir(filepath.Dir(cert)) + "/..data"
			if err := errors.Join(os.Symlink("second", data+".new"), os.Rename(data+".new", data)); err != nil {
				t.Fatal(err)
			}
		}, "second", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, p := range map[string]pair{"first": first, "second": second} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, name, "tls.crt"), p.cert)
				write(t, filepath.Join(dir, name, "tls.key"), p.key)
			}
			if err := os.Symlink("first", filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
			cert, key := filepath.Join(dir, "..data", "tls.crt"), filepath.Join(dir, "..data", "tls.key")
			var log bytes.Buffer
			cfg, err := tlsConfig(&jobs.Job{Server: jobs.Server{TLS: &jobs.TLS{Cert: cert, Key: key}}}, slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			shows(t, cfg, first, "first")
			test.change(t, cert, key)
			for range 3 {
				shows(t, cfg, first, test.shown)
			}
			if n := strings.Count(log.String(), "\n"); !strings.Contains(log.String(), test.log) || n > 1 || (n == 1) != (test.log != "") {
				t.Errorf("%d lines: %s", n, log.String())
			}
		})
	}
}

// shows makes a handshake with a server that asks for a certificate, and compares the name on what it is shown.
func shows(t *testing.T, client *tls.Config, of pair, want string) {
	t.Helper()
	own, err := tls.X509KeyPair(of.cert, of.key)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	defer func() { _ = errors.Join(near.Close(), far.Close()) }()
	client = client.Clone()
	client.InsecureSkipVerify = true // of the server; what the client shows is tested
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12})
	var group errgroup.Group
	group.Go(func() error { return server.HandshakeContext(t.Context()) })
	group.Go(func() error { return tls.Client(near, client).HandshakeContext(t.Context()) })
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := server.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
		t.Errorf("it shows %s, not %s", got, want)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
