package run

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"graphscore/jobs"
	"graphscore/pipeline/remote"
)

// CheckTLS returns a *TLSError where a file of the TLS settings cannot be used, and a *jobs.Error where there is a token and no
// TLS.
func (c Config) CheckTLS() error {
	if _, err := tlsConfig(c.Job, c.Log); err != nil {
		return err
	}
	_, err := serverToken(c.Job, c.Log)
	return err
}

// tlsConfig is nil for a job without TLS. What it says of a certificate of the client follows its files.
func tlsConfig(job *jobs.Job, log *slog.Logger) (*tls.Config, error) {
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
		pair, err := newLiveFiles(log, func(anew bool) (*tls.Certificate, error) { return keyPair(t.Cert, t.Key, anew) }, t.Cert, t.Key)
		if err != nil {
			return nil, &TLSError{"server.tls.cert and key", t.Cert, err}
		}
		cfg.GetClientCertificate = func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if chosen := pair.value(); request.SupportsCertificate(chosen) == nil {
				return chosen, nil
			}
			return new(tls.Certificate), nil // none, as crypto/tls has it
		}
	}
	return cfg, nil
}

// maxCredential is far more than a certificate, a key or a token takes: a bundle of all public CAs has 250 KB.
const maxCredential = 4 << 20

// keyPair reads a certificate and its key, of which the files are replaced one after the other. One that is read anew is
// refused outside of its time: the one before may still be good.
func keyPair(cert, key string, anew bool) (*tls.Certificate, error) {
	certPEM, err := jobs.ReadFile(cert, maxCredential)
	if err != nil {
		return nil, err
	}
	keyPEM, err := jobs.ReadFile(key, maxCredential)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, err
	}
	if now := time.Now(); anew && (now.After(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore)) {
		return nil, fmt.Errorf("it is valid from %s to %s", pair.Leaf.NotBefore.UTC().Format(time.RFC3339), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return &pair, nil
}

// TokenVariable is the environment variable with the bearer token of a job without server.token_file.
const TokenVariable = "GRAPHSCORE_TOKEN"

// serverToken returns what returns the bearer token of a call to the servers of a job, nil without a token. It follows the
// file of the token. Errors do not show it.
func serverToken(job *jobs.Job, log *slog.Logger) (func() remote.Token, error) {
	path := job.Server.TokenFile
	switch {
	case len(job.Server.Addresses) == 0: // workers of this run listen on a private socket
		return nil, nil
	case path != "":
		live, err := newLiveFiles(log, func(bool) (remote.Token, error) {
			content, err := jobs.ReadFile(path, maxCredential)
			if err != nil {
				return "", err
			}
			return parseToken(string(content))
		}, path)
		if err != nil {
			return nil, &TLSError{"server.token_file", path, err}
		}
		return live.value, nil
	case os.Getenv(TokenVariable) == "":
		return nil, nil
	case job.Server.TLS == nil:
		return nil, &jobs.Error{Path: job.Path, Reason: TokenVariable + " is set without server.tls: a token is sent over TLS only"}
	}
	token, err := parseToken(os.Getenv(TokenVariable))
	if err != nil {
		return nil, &TLSError{"the environment variable", TokenVariable, err}
	}
	return func() remote.Token { return token }, nil
}

func parseToken(text string) (remote.Token, error) {
	text = strings.TrimSpace(text)
	if !tokenPattern.MatchString(text) {
		return "", errors.New("it is not one token of letters, digits and characters of ._~+/-=")
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
