//go:build unix

package local

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFindPython(t *testing.T) {
	root := t.TempDir()
	program := func(parts ...string) string {
		path := filepath.Join(append([]string{root}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mine, theirs, venv := program("mine"), program("theirs"), program("python", ".venv", "bin", "python")
	onPath := program("path", "python3")
	installed, below := program("usr", "bin", "graphscore"), program("usr", "lib", "graphscore", "venv", "bin", "python")
	binary, elsewhere := program("bin", "graphscore"), program("other", "bin", "graphscore")
	link := filepath.Join(root, "link")
	if err := os.Symlink(binary, link); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(root, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(onPath))

	tests := []struct {
		name, explicit, env, executable, want, fails string
	}{
		{"flag", mine, theirs, binary, mine, ""},
		{"variable", "", theirs, binary, theirs, ""},
		{"beside the binary", "", "", binary, venv, ""},
		{"beside the binary behind a link", "", "", link, venv, ""},
		{"below the prefix", "", "", installed, below, ""},
		{"on the path", "", "", elsewhere, onPath, ""},
		{"on the path without a binary", "", "", "", onPath, ""},
		{"name on the path", "python3", "", binary, onPath, ""},
		{"missing", "/nowhere/python", "", binary, "", `"/nowhere/python" was not found; run`},
		{"missing name", "", "pythonx", binary, "", `"pythonx" was not found`},
		{"folder", root, "", binary, "", "is a folder"},
		{"not executable", plain, "", binary, "", "cannot be executed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			getenv := func(name string) string { return map[string]string{pythonVariable: test.env}[name] }
			got, err := FindPython(test.explicit, getenv, test.executable)
			if test.fails == "" && (err != nil || got != test.want) {
				t.Errorf("FindPython = %q, %v, want %q", got, err, test.want)
			}
			if test.fails != "" && (!is[*PythonError](err) || !strings.Contains(err.Error(), test.fails)) {
				t.Errorf("FindPython = %q, %v, want %s", got, err, test.fails)
			}
		})
	}
}

func TestFindPythonWithoutAny(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := FindPython("", func(string) string { return "" }, "")
	if !is[*PythonError](err) || !strings.Contains(err.Error(), `"python3" was not found`) {
		t.Errorf("FindPython = %v", err)
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	lines := new(log)
	o := &output{log: slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	write := func(text string) {
		if n, err := o.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	for range 30 {
		write("early\n")
	}
	write(`{"level":"WARN","msg":`)
	write("\"half\"}\r\n\n")
	if lines.String() != "" {
		t.Fatalf("logged before it was released: %s", lines)
	}
	if got := o.lines(); len(got) != keptLines || !slices.Contains(got, `{"level":"WARN","msg":"half"}`) {
		t.Errorf("lines = %q", got)
	}
	o.release()
	write(`{"level":"ERROR","msg":"bad","run":"r","shard":"a b","trace":"t"}` + "\n" + `{"level":"DEBUG","msg":"small"}` + "\n" +
		`{"level":"INFO","msg":"plain"}` + "\n" + `{"level":"LOUD","msg":"strange"}` + "\n" + "{}\nodd \xff\nunfinished")
	for _, want := range []string{
		"level=WARN msg=early", "level=WARN msg=half", "level=ERROR msg=bad call.run=r call.shard=\"a b\" call.trace=t\n", "level=DEBUG msg=small", "level=INFO msg=plain\n",
		"level=WARN msg=strange", "level=WARN msg={}",
		"level=WARN msg=\"odd \uFFFD\"",
	} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, lines)
		}
	}
	if got := lastError(o.lines()); got != "unfinished" {
		t.Errorf("lastError = %q", got)
	}
	write(strings.Repeat("x", 3*lineBytes))
	for _, line := range o.lines() {
		if len(line) > 3*lineBytes+20 {
			t.Errorf("a line of %d bytes is kept", len(line))
		}
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
