package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/exit"
)

// A pattern without quotes reaches a command as many arguments: data is never read as a job, and nothing of it is shown.
func TestPatternWithoutQuotesIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := file("in/a.parquet", "PAR1SECRET\x00"), file("in/b.parquet", "PAR1SECRET\x00")
	plain, arrow := file("in/part-0", "ARROW1\x00\x00SECRET"), file("in/c.arrow", "\xff\xff\xff\xffSECRET")
	sub := filepath.Dir(file("in/dt=1/x.parquet", "PAR1"))
	job := file("job.yaml", "input: {path: in}\noutput: {path: out}\nmodel: {path: model}\n")
	all := "write --input '" + dir + "/in/*'"
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"as arguments":         {[]string{a, b}, "write --input '" + dir + "/in/*.parquet'"},
		"behind --input":       {[]string{"--input", a, b}, "write --input '" + dir + "/in/*.parquet'"},
		"behind a job":         {[]string{job, "--input", a, b}, b + " is a file of data"},
		"of many kinds":        {[]string{"--input", a, b, arrow, plain}, all},
		"of folders":           {[]string{"--input", a, sub}, sub + " is a folder"},
		"told by its content":  {[]string{"--input", a, plain}, plain + " is an Arrow file"},
		"two jobs are no data": {[]string{job, job}, "takes one job file, not 2 arguments"},
	} {
		for _, command := range []string{"run", "plan", "doctor", "validate", "backfill"} {
			var out, errs bytes.Buffer
			code := newEnv(append([]string{command}, test.args...), &out, &errs).main()
			if code != exit.Usage || !strings.Contains(errs.String(), test.want) {
				t.Errorf("%s: %s: exit %d, %s", name, command, code, &errs)
			}
			if strings.Contains(out.String()+errs.String(), "SECRET") {
				t.Errorf("%s: %s shows what is in a file: %s", name, command, &errs)
			}
		}
	}
}

// One file of data as the job is named for what it is.
func TestDataAsJobIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.parquet")
	if err := os.WriteFile(path, []byte("PAR1SECRET\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		path: path + ": is a Parquet file, not a job file in YAML: name data with --input",
		dir:  dir + ": the job file cannot be read: is a directory: name data with --input",
	} {
		var out, errs bytes.Buffer
		if code := newEnv([]string{"run", arg}, &out, &errs).main(); code != exit.Config || !strings.Contains(errs.String(), want) || strings.Contains(errs.String(), "SECRET") {
			t.Errorf("exit %d, %s", code, &errs)
		}
	}
}
