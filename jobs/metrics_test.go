package jobs_test

import (
	"path/filepath"
	"strings"
	"testing"

	"graphscore/jobs"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	path := write(t, `
input: {path: in}
output: {path: out}
server: {addresses: ["unix:/run/a@b.sock"]}
metrics: {textfile: prom, pushgateway: "https://gateway:9091/base", listen: "[::1]:0"}
`)
	job, err := jobs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := job.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
	want := jobs.Metrics{
		Textfile: filepath.Join(filepath.Dir(path), "prom"), Pushgateway: "https://gateway:9091/base", Listen: "[::1]:0",
	}
	if job.Metrics != want {
		t.Errorf("%+v, expected %+v", job.Metrics, want)
	}
}

func TestCheckListen(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:0": "", "127.9.9.9:9464": "", "localhost:9464": "", "[::1]:9464": "",
		"9464":             "write host:port",
		":9464":            "on the loopback only, as 127.0.0.1:9464",
		"0.0.0.0:9464":     "on the loopback only",
		"[::]:9464":        "on the loopback only",
		"10.0.0.1:9464":    "on the loopback only",
		"localhost.x:9464": "on the loopback only",
		"127.0.0.1:x":      "a port is a number",
		"127.0.0.1:-1":     "a port is a number",
		"127.0.0.1:65536":  "a port is a number",
	} {
		checks(t, address, jobs.CheckListen(address), want)
	}
}

func TestCheckPushgateway(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://gateway:9091": "", "https://gateway/base/": "",
		"gateway:9091":             "is no URL",
		"ftp://gateway":            "is no URL",
		"http://":                  "is no URL",
		"http://gateway:%zz":       "is no URL",
		"http://me@gateway":        "secrets come from environment or files",
		"http://me:hush@gateway":   "secrets come from environment or files",
		"http://gateway/?key=hush": "leave out what follows the path",
		"http://gateway/#hush":     "leave out what follows the path",
	} {
		checks(t, address, jobs.CheckPushgateway(address), want)
	}
}

// checks wants an error that has a text and no secret, and none for "".
func checks(t *testing.T, address string, err error, want string) {
	t.Helper()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if (text == "") != (want == "") || !strings.Contains(text, want) || strings.Contains(text, "hush") {
		t.Errorf("%s: %q, expected %q", address, text, want)
	}
}
