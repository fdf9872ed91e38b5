package run

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"graphscore/jobs"
	"graphscore/pipeline/remote"
)

// CheckTLS returns a *TLSError where a file of the TLS settings cannot be used, and a *jobs.Error where there is a token and no
// TLS.
func (c Config) CheckTLS() error {
	if _, err := tlsConfig(c.Job); err != nil {
		return err
	}
	_, err := serverToken(c.Job)
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
		pem, err := jobs.ReadFile(t.CA, maxCredential)
		if err != nil {
			return nil, &TLSError{"server.tls.ca", t.CA, err}
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &TLSError{"server.tls.ca", t.CA, errors.New("it holds no PEM certificate")}
		}
	}
	if t.Cert != "" {
		pair, err := keyPair(t.Cert, t.Key)
		if err != nil {
			return nil, &TLSError{"server.tls.cert and key", t.Cert, err}
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// maxCredential is far more than a certificate, a key or a token takes: a bundle of all public CAs has 250 KB.
const maxCredential = 4 << 20

func keyPair(cert, key string) (tls.Certificate, error) {
	certPEM, err := jobs.ReadFile(cert, maxCredential)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := jobs.ReadFile(key, maxCredential)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}

// TokenVariable is the environment variable with the bearer token of a job without server.token_file.
const TokenVariable = "GRAPHSCORE_TOKEN"

// serverToken returns the bearer token of calls to the servers of a job, empty without. Errors do not show it.
func serverToken(job *jobs.Job) (remote.Token, error) {
	var text string
	key, path := "server.token_file", job.Server.TokenFile
	switch {
	case len(job.Server.Addresses) == 0: // workers of this run listen on a private socket
		return "", nil
	case path == "":
		if text = os.Getenv(TokenVariable); text == "" {
			return "", nil
		}
		if job.Server.TLS == nil {
			return "", &jobs.Error{Path: job.Path, Reason: TokenVariable + " is set without server.tls: a token is sent over TLS only"}
		}
		key, path = "the environment variable", TokenVariable
	default:
		content, err := jobs.ReadFile(path, maxCredential)
		if err != nil {
			return "", &TLSError{key, path, err}
		}
		text = string(content)
	}
	text = strings.TrimSpace(text)
	if !tokenPattern.MatchString(text) {
		return "", &TLSError{key, path, errors.New("it is not one token of letters, digits and characters of ._~+/-=")}
	}
	return remote.Token(text), nil
}

// exposedToken returns the warning that others than its owner may use the token file of a job, "" where they may not. Pipes,
// and what systemd keeps for the service, have no owner's mode.
func exposedToken(job *jobs.Job) string {
	path := job.Server.TokenFile
	if path == "" || len(job.Server.Addresses) == 0 || runtime.GOOS == "windows" {
		return ""
	}
	if kept := os.Getenv("CREDENTIALS_DIRECTORY"); kept != "" && filepath.Dir(path) == filepath.Clean(kept) {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("server.token_file %s: users other than its owner may open it (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm())
}

// tokenPattern is a bearer token of RFC 6750.
var tokenPattern = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// TLSError is a setting of TLS or credentials that cannot be used.
type TLSError struct {
	Key, Path string
	Err       error
}

func (e *TLSError) Error() string { return fmt.Sprintf("%s %s: %v", e.Key, e.Path, e.Err) }
func (e *TLSError) Unwrap() error { return e.Err }
