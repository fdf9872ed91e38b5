package run

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"graphscore/jobs"
)

// CheckTLS returns a *TLSError where a file of the TLS settings cannot be used.
func (c Config) CheckTLS() error {
	_, err := tlsConfig(c.Job)
	return err
}

// tlsConfig is nil for a job without TLS.
func tlsConfig(job *jobs.Job) (*tls.Config, error) {
	t := job.Server.TLS
	if t == nil {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &TLSError{"server.tls.ca", t.CA, err}
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &TLSError{"server.tls.ca", t.CA, errors.New("it holds no PEM certificate")}
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, &TLSError{"server.tls.cert and key", t.Cert, err}
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// TLSError is a TLS setting that cannot be used.
type TLSError struct {
	Key, Path string
	Err       error
}

func (e *TLSError) Error() string { return fmt.Sprintf("%s %s: %v", e.Key, e.Path, e.Err) }
func (e *TLSError) Unwrap() error { return e.Err }
