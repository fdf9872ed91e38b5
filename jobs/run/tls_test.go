package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/jobs"
	"graphscore/pipeline/pipelinetest"
	"graphscore/pipeline/remote"
)

func TestServerToken(t *testing.T) {
	const secret = "fedcba9876543210"
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secure, addresses := new(jobs.TLS), []string{"scorer:1"}
	tests := map[string]struct {
		server      jobs.Server
		environment string
		token       remote.Token
		code        int
	}{
		"none":                     {jobs.Server{Addresses: addresses}, "", "", 0},
		"file":                     {jobs.Server{Addresses: addresses, TLS: secure, TokenFile: file("right", secret+"\n")}, "", secret, 0},
		"environment":              {jobs.Server{Addresses: addresses, TLS: secure}, secret, secret, 0},
		"file before environment":  {jobs.Server{Addresses: addresses, TLS: secure, TokenFile: file("first", secret)}, "other", secret, 0},
		"environment without TLS":  {jobs.Server{Addresses: addresses}, secret, "", 78},
		"environment, own workers": {jobs.Server{}, secret, "", 0},
		"absent":                   {jobs.Server{Addresses: addresses, TLS: secure, TokenFile: filepath.Join(dir, "absent")}, "", "", 77},
		"empty":                    {jobs.Server{Addresses: addresses, TLS: secure, TokenFile: file("empty", "\n")}, "", "", 77},
		"two":                      {jobs.Server{Addresses: addresses, TLS: secure, TokenFile: file("two", secret+"\n"+secret)}, "", "", 77},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv(TokenVariable, test.environment)
			live, err := serverToken(&jobs.Job{Path: "job.yaml", Server: test.server}, slog.New(slog.DiscardHandler))
			var token remote.Token
			if live != nil {
				token = live()
			}
			if code := ExitCode(err); code != test.code || token != test.token {
				t.Errorf("code %d, error %v", code, err)
			}
			shown, _ := json.Marshal(token)
			text := fmt.Sprintf("%v %+v %#v %q %s", token, remote.Config{Token: live}, token, token, shown)
			if strings.Contains(text, secret) || errors.Unwrap(err) != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the token is shown: %s, %v", text, err)
			}
		})
	}
}

func TestExposedToken(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(dir, "kept")+"/")
	for _, test := range []struct {
		name, file string
		mode       os.FileMode
		exposed    bool
	}{
		{"its owner alone", "a", 0o600, false},
		{"its owner reads", "b", 0o400, false},
		{"its group", "c", 0o640, true},
		{"others", "d", 0o604, true},
		{"kept by systemd", "kept/e", 0o440, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, test.file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600), os.Chmod(path, test.mode)); err != nil {
				t.Fatal(err)
			}
			expected := ""
			if test.exposed {
				expected = fmt.Sprintf("server.token_file %s: users other than its owner may open it (mode %04o): chmod 600 %s", path, test.mode, path)
			}
			if got := exposedToken(&jobs.Job{Server: jobs.Server{Addresses: []string{"a:1"}, TokenFile: path}}); got != expected {
				t.Errorf("got %q, expected %q", got, expected)
			}
		})
	}
	pipe := filepath.Join(dir, "pipe")
	if err := errors.Join(pipelinetest.Fifo(pipe), os.Chmod(pipe, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", pipe, filepath.Join(dir, "absent")} {
		if got := exposedToken(&jobs.Job{Server: jobs.Server{Addresses: []string{"a:1"}, TokenFile: path}}); got != "" {
			t.Errorf("%q: %s", path, got)
		}
	}
}
