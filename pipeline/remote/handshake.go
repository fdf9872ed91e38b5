package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/credentials"
)

// observer sees what happens to a connection below gRPC, which reports nothing but Unavailable. It is safe for
// concurrent use.
type observer struct {
	mu     sync.Mutex
	dialed bool
	asked  bool      // the server asked for a client certificate
	sent   bool      // it was sent one
	ends   time.Time // when the one that was sent expires, zero where that is not known
	tls    error
}

// watched returns a copy of a configuration that shows the observer whether a client certificate is asked for.
func (o *observer) watched(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		return nil
	}
	cfg = cfg.Clone()
	choose := cfg.GetClientCertificate
	if choose == nil {
		certificates := cfg.Certificates
		choose = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range certificates {
				if request.SupportsCertificate(&certificates[i]) == nil {
					return &certificates[i], nil
				}
			}
			return new(tls.Certificate), nil // none, as crypto/tls has it
		}
	}
	cfg.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		chosen, err := choose(request)
		if err != nil {
			return nil, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.asked, o.sent = true, len(chosen.Certificate) > 0
		if leaf := chosen.Leaf; leaf != nil {
			o.ends = leaf.NotAfter
		}
		return chosen, nil
	}
	return cfg
}

// clientRefusedError is a server that asked for a client certificate and closed the connection before its first byte.
// gRPC's servers in C++ and Python refuse clients so: they send no alert.
type clientRefusedError struct {
	sent    bool
	expired time.Time // zero where it is not, or there is none
}

func (e *clientRefusedError) Error() string {
	if !e.expired.IsZero() {
		return "the server closed the connection on the client certificate that it was sent, which expired at " + e.expired.UTC().Format(time.RFC3339)
	}
	if e.sent {
		return "the server closed the connection on the client certificate that it was sent"
	}
	return "the server asked for a client certificate, was sent none that it asks for, and closed the connection"
}

// closed notes a connection that ended with err before the server sent anything over it.
func (o *observer) closed(err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tls == nil && o.asked {
		refused := &clientRefusedError{sent: o.sent}
		if o.sent && !o.ends.IsZero() && time.Now().After(o.ends) {
			refused.expired = o.ends
		}
		o.tls = refused
	}
}

func (o *observer) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := vanished.dial(ctx, address)
	if err == nil {
		o.mu.Lock()
		o.dialed = true
		o.mu.Unlock()
	}
	return conn, err
}

// see keeps the first error that means a mistake in TLS settings.
func (o *observer) see(err error) {
	if !tlsMistake(err) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tls == nil {
		o.tls = err
	}
}

// reached says whether anything ever took the connection.
func (o *observer) reached() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dialed
}

func (o *observer) mistake() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tls
}

// observedCredentials shows handshakes to an observer.
type observedCredentials struct {
	credentials.TransportCredentials
	seen *observer
}

// ClientHandshake is that of the credentials inside.
func (c *observedCredentials) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		c.seen.see(err)
		c.seen.closed(err)
		return nil, nil, err
	}
	return &observedConn{Conn: conn, seen: c.seen}, info, nil
}

// Clone keeps the observer.
func (c *observedCredentials) Clone() credentials.TransportCredentials {
	return &observedCredentials{TransportCredentials: c.TransportCredentials.Clone(), seen: c.seen}
}

// observedConn shows errors of reading: with TLS 1.3 a server refuses a client's certificate only after the
// handshake.
type observedConn struct {
	net.Conn
	seen  *observer
	heard bool // the server sent something; only the one that reads uses it
}

func (c *observedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.heard = c.heard || n > 0
	if err != nil {
		c.seen.see(err)
		if !c.heard {
			c.seen.closed(err)
		}
	}
	return n, err
}

// tlsMistake reports whether an error means wrong settings, and not a broken connection.
func tlsMistake(err error) bool {
	if err == nil {
		return false
	}
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &record), errors.As(err, &verify):
		return true
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // an alert
		return true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	text := err.Error()
	return strings.HasPrefix(text, "tls: ") || strings.HasPrefix(text, "x509: ") || strings.Contains(text, "ALPN")
}

// remedy says what to do about a mistake.
func remedy(err error) string {
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var client *clientRefusedError
	text := err.Error()
	switch {
	case errors.As(err, &client) && !client.expired.IsZero():
		return "renew the client certificate"
	case errors.As(err, &client):
		return "the server refuses the client: give a certificate that it accepts"
	case errors.As(err, &record):
		return "the server does not use TLS: leave the TLS settings out"
	case errors.As(err, &authority):
		return "give the CA that signed the server's certificate"
	case errors.As(err, &name):
		return "use the name that the certificate is for, or set the server name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate"
	case strings.Contains(text, "remote error") && (strings.Contains(text, "certificate") || strings.Contains(text, "handshake failure")):
		return "the server refuses the client: give a certificate that it accepts"
	default:
		return "correct the TLS settings"
	}
}

// speaksTLS finds out whether the server at the address answers a TLS handshake. Nothing is sent over it.
func speaksTLS(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	raw, err := vanished.dial(ctx, address)
	if err != nil {
		return false
	}
	defer func() { _ = raw.Close() }() // nothing was written
	conn := tls.Client(raw, &tls.Config{
		InsecureSkipVerify: true, // only asks whether this is TLS; the connection carries nothing
		NextProtos:         []string{"h2"},
		MinVersion:         tls.VersionTLS12,
	})
	err = conn.HandshakeContext(ctx)
	var record tls.RecordHeaderError
	return err == nil || tlsMistake(err) && !errors.As(err, &record)
}
