package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"graphscore/pipeline/remote/remotetest"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := new(authority)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.certificate, a.key = sign(t, template, nil)
	return a
}

// sign makes a certificate; without an authority, one that signs itself.
func sign(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// issue gives a certificate for a name that is valid for some time from an hour ago on.
func (a *authority) issue(t *testing.T, name string, valid time.Duration) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid - time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	certificate, key := sign(t, template, a)
	return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// TestClientRefusedWithoutAlert: gRPC's servers in Python close the connection on a client certificate, or on none, and
// send no alert. Those that close it before they ask for one are not the client's mistake.
func TestClientRefusedWithoutAlert(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	trusting := func(certificates ...tls.Certificate) *tls.Config {
		return &tls.Config{RootCAs: ca.pool(), Certificates: certificates}
	}
	tests := map[string]struct {
		ask    tls.ClientAuthType
		client *tls.Config
		kind   Kind
		want   string
	}{
		"none":       {tls.RequestClientCert, trusting(), Auth, "asked for a client certificate, was sent none"},
		"stranger's": {tls.RequestClientCert, trusting(other.issue(t, "client", 2*time.Hour)), Auth, "on the client certificate that it was sent"},
		"not asked":  {tls.NoClientCert, trusting(), Unavailable, "no answer within"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
				Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", 2*time.Hour)}, ClientAuth: test.ask, NextProtos: []string{"h2"},
			})
			if err != nil {
				t.Fatal(err)
			}
			var group errgroup.Group
			group.Go(func() error {
				for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
					_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client's end is what is tested
					_ = conn.Close()
				}
				return nil
			})
			t.Cleanup(func() {
				_ = listener.Close()
				_ = group.Wait()
			})
			cfg := quick(listener.Addr().String())
			cfg.TLS = test.client
			if test.kind == Unavailable { // the others end before, at the first attempt
				cfg.ConnectTimeout = time.Second
			}
			_, err = Describe(t.Context(), dialed(t, cfg), cfg)
			fails(t, err, test.kind, test.want)
		})
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	mine := ca.issue(t, "127.0.0.1", 2*time.Hour)
	foreign := other.issue(t, "client", 2*time.Hour)
	plain := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{mine}} }
	mutual := func(version uint16) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{mine}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(),
			MinVersion: version, MaxVersion: version,
		}
	}
	trusting := &tls.Config{RootCAs: ca.pool()}
	tests := map[string]struct {
		server, client *tls.Config
		want           string // empty: it works
	}{
		"right":             {plain(), trusting, ""},
		"both plain":        {nil, nil, ""},
		"server name":       {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "scorer.test", 2*time.Hour)}}, &tls.Config{RootCAs: ca.pool(), ServerName: "scorer.test"}, ""},
		"mutual":            {mutual(tls.VersionTLS13), &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{ca.issue(t, "client", 2*time.Hour)}}, ""},
		"wrong CA":          {plain(), &tls.Config{RootCAs: other.pool()}, "give the CA that signed the server's certificate"},
		"other name":        {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "scorer.test", 2*time.Hour)}}, trusting, "use the name that the certificate is for"},
		"expired":           {&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1", time.Minute)}}, trusting, "renew the certificate"},
		"no client cert":    {mutual(tls.VersionTLS13), trusting, "the server refuses the client"},
		"no client cert 12": {mutual(tls.VersionTLS12), trusting, "the server refuses the client"},
		"wrong client cert": {mutual(tls.VersionTLS13), &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{foreign}}, "the server refuses the client"},
		"plaintext to TLS":  {plain(), nil, "it requires TLS, but the run has no TLS settings; add them"},
		"plain to mutual":   {mutual(tls.VersionTLS12), nil, "it requires TLS, but the run has no TLS settings; add them"},
		"TLS to plaintext":  {nil, trusting, "the server does not use TLS: leave the TLS settings out"},
		"too old":           {&tls.Config{Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS13}, &tls.Config{RootCAs: ca.pool(), MaxVersion: tls.VersionTLS12}, "TLS fails: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []grpc.ServerOption
			if test.server != nil {
				options = append(options, grpc.Creds(credentials.NewTLS(test.server)))
			}
			address := remotetest.Serve(t, newServer(remotetest.NewNative(1, "score"), options...))
			cfg := quick(address)
			cfg.TLS = test.client
			conn := dialed(t, cfg)
			m, err := Describe(t.Context(), conn, cfg)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if _, err := NewNative(conn, cfg, m).Score(t.Context(), line(2)); err != nil {
					t.Fatal(err)
				}
				return
			}
			e := fails(t, err, Auth, test.want)
			t.Log(e)
			if e.Retryable() || e.Address != address {
				t.Errorf("retryable %v, address %q", e.Retryable(), e.Address)
			}
		})
	}
}
