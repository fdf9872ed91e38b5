//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graphscore/pipeline/faulttest"
)

// logging serves a model with all that it and grpc can log, in a file, and returns its address and that file.
func logging(t *testing.T, args ...string) (address, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "server.log")
	file, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(t.Context(), absolute(t, venv), append([]string{"-m", "graphscore", "serve", "--listen", "127.0.0.1:0", "--log-format", "text"}, args...)...)
	cmd.Env = append(os.Environ(), "GRPC_VERBOSITY=DEBUG")
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	eventually(t, "the server serves", func() bool {
		content, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		_, after, found := strings.Cut(string(content), "serving ")
		line, _, whole := strings.Cut(after, "\n")
		if found && whole {
			words := strings.Fields(line)
			address = words[len(words)-1]
		}
		return address != ""
	})
	return address, log
}

// Whatever is run with a token, and with all that can be logged: it is in no stream, no log and no file of an output.
func TestTokenIsNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := newSigner(t, dir, "ca")
	ca.issue("server", time.Hour)
	at := func(name string) string { return filepath.Join(dir, name) }
	ca.write("tokens", []byte(oldToken+"\n"))
	ca.write("token", []byte(oldToken+"\n"))
	ca.write("wrong", []byte(otherToken+"\n"))
	address, log := logging(t, "--model", absolute(t, example+"/model"), "--tls-cert", at("server.pem"), "--tls-key", at("server.key"), "--token-file", at("tokens"))
	output := at("out")
	job := func(name, token string) string {
		return write(t, at(name), fmt.Sprintf("input: {path: %q}\noutput: {path: %q}\nserver: {addresses: [%q], tls: {ca: ca.pem}%s}\nlimits: {retry_budget: 1m}\n",
			absolute(t, example+"/data/held-back.parquet"), output, address, token))
	}
	file, wrong, environment := job("file.yaml", ", token_file: token"), job("wrong.yaml", ", token_file: wrong"), job("environment.yaml", "")
	all := []string{"GRPC_GO_LOG_SEVERITY_LEVEL=info", "GRPC_GO_LOG_VERBOSITY_LEVEL=99", "GODEBUG=http2debug=2"}
	var said strings.Builder
	times := 0
	for _, test := range []struct {
		code int
		env  string
		args []string
	}{
		{77, "", []string{"run", wrong}},
		{77, "GRAPHSCORE_TOKEN=" + otherToken, []string{"run", environment}},
		{77, "", []string{"doctor", wrong}},
		{0, "", []string{"doctor", file}},
		{0, "", []string{"plan", file, "--calibrate"}},
		{0, "", []string{"run", file, "--log-format", "json"}},
		{0, "GRAPHSCORE_TOKEN=" + oldToken, []string{"run", environment, "--rescore", "--json"}},
		{0, "GRAPHSCORE_TOKEN=" + oldToken, []string{"verify", environment, "--sample", "100%"}},
		{0, "", []string{"report", output}},
	} {
		o := startWith(t, append(all, test.env), test.args...).wait()
		if o.code != test.code {
			t.Errorf("graphscore %s: exit code %d, expected %d\n%s", strings.Join(test.args, " "), o.code, test.code, o.stderr)
		}
		said.WriteString(o.stdout + o.stderr)
		times++
	}
	nowhere(t, "the streams of graphscore", said.String())
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	nowhere(t, "the log of the server", string(content))
	if t.Failed() {
		t.Logf("the server logged:\n%s", content)
	}
	files := 0
	err = fs.WalkDir(os.DirFS(output), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(output, name))
		nowhere(t, name, string(content))
		files++
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files, %v", files, err)
	}
	faulttest.Report(t, faulttest.Row{Case: "29", How: "run, doctor, plan, verify and report with a right and a wrong token, from a file and the environment, with every log that both sides and gRPC have",
		Outcome: "0, 77; the token is in no stream, no log and no file of the output", Times: times})
}

// nowhere fails where a text has a token, or the word before it.
func nowhere(t *testing.T, name, text string) {
	t.Helper()
	for _, secret := range []string{oldToken, otherToken, "Bearer 0"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s has a token", name)
		}
	}
}
