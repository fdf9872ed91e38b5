package writers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

func TestLock(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	first := open(t, cfg)
	_, err := Open(t.Context(), cfg.Config)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.RunID != cfg.RunID || !locked.Start.Equal(cfg.Now()) {
		t.Fatalf("error %#v", err)
	}
	host, _ := os.Hostname()
	want := fmt.Sprintf("the output %q is held by pid %d on %s, which started 2026-11-22T14:25:00Z", cfg.Dir, os.Getpid(), host)
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	must(t, first.Close())
	// What a dead holder wrote does not matter, however odd.
	must(t, os.WriteFile(filepath.Join(cfg.Dir, lockName), []byte(strings.Repeat("x", 5000)), 0o666))
	second := open(t, cfg)
	content, err := os.ReadFile(filepath.Join(cfg.Dir, lockName))
	must(t, err)
	var h Holder
	must(t, json.Unmarshal(content, &h))
	must(t, os.WriteFile(filepath.Join(cfg.Dir, lockName), nil, 0o666))
	if _, err := Open(t.Context(), cfg.Config); err == nil || !strings.Contains(err.Error(), "is held by another run: wait") {
		t.Errorf("a holder without a name: %v", err)
	}
	must(t, second.Close())
}

func TestOpenRemovesOnlyOurTemporaryFiles(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	names := map[string]bool{ // whether it stays
		".graphscore-1.tmp": false, "d/.graphscore-23.tmp": false, "_quarantine/d/.graphscore-4.tmp": false,
		"_runs/.graphscore-5.tmp": false,
		"mine.tmp":                true, ".graphscore-x.tmp": true, ".graphscore-.tmp": true, "d/.graphscore-1.tmp.parquet": true,
	}
	for name := range names {
		path := filepath.Join(cfg.Dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		must(t, os.WriteFile(path, nil, 0o666))
	}
	open(t, cfg)
	for name, stays := range names {
		if _, err := os.Stat(filepath.Join(cfg.Dir, name)); (err == nil) != stays {
			t.Errorf("%s: %v, want it to stay: %v", name, err, stays)
		}
	}
}

func TestOpenCreatesFolders(t *testing.T) {
	t.Parallel()
	cfg := testConfig(filepath.Join(t.TempDir(), "a", "b", "c"))
	o := open(t, cfg)
	must(t, shard{spec: part.Spec{Part: "d/e.parquet"}}.commit(t.Context(), o, false))
	var mask int
	for _, name := range []string{"d/e.parquet", "_lock"} {
		info, err := os.Stat(filepath.Join(cfg.Dir, name))
		must(t, err)
		mask |= int(info.Mode().Perm())
	}
	if mask&0o600 != 0o600 || mask == 0o600 && umask() == 0o022 {
		t.Errorf("mode %o", mask)
	}
}

// umask reads the mask from /proc: setting it to read it would disturb other tests.
func umask() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "Umask:")
	var m int
	fmt.Sscanf(rest, "%o", &m)
	return m
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	for _, tc := range []struct {
		name string
		dir  func(dir string) (string, error)
	}{
		{"a file", func(dir string) (string, error) {
			dir = filepath.Join(dir, "f")
			return dir, os.WriteFile(dir, nil, 0o666)
		}},
		{"below a file", func(dir string) (string, error) {
			return filepath.Join(dir, "f", "out"), os.WriteFile(filepath.Join(dir, "f"), nil, 0o666)
		}},
		{"a lock that is a link out", func(dir string) (string, error) {
			return dir, os.Symlink(filepath.Join(outside, "x"), filepath.Join(dir, lockName))
		}},
		{"a lock that is a folder", func(dir string) (string, error) {
			return dir, os.Mkdir(filepath.Join(dir, lockName), 0o777)
		}},
		{"a folder without a place to be", func(string) (string, error) { return "/proc/no/such", nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir, err := tc.dir(t.TempDir())
			must(t, err)
			_, err = Open(t.Context(), testConfig(dir).Config)
			var create *atomic.CreateError
			if !errors.As(err, &create) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestOpenFindsOutThatItCannotWrite(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	cfg.Disk = (&failing{at: 1, err: syscall.EACCES}).disk
	_, err := Open(t.Context(), cfg.Config)
	want := fmt.Sprintf("cannot create the output %q: permission denied: choose another output, or make this one writable", cfg.Dir)
	var create *atomic.CreateError
	if !errors.As(err, &create) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	cfg.Disk = nil
	open(t, cfg) // the lock is free again
}

func TestLinksThatLeadOut(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "victim.parquet"), []byte("mine"), 0o666))
	cfg := testConfig(t.TempDir())
	must(t, os.Symlink(outside, filepath.Join(cfg.Dir, "d")))
	must(t, os.Symlink(outside, filepath.Join(cfg.Dir, part.QuarantineDir)))
	o := open(t, cfg)
	_, err := o.Create(t.Context(), part.Spec{Part: "d/victim.parquet"})
	var create *atomic.CreateError
	if !errors.As(err, &create) {
		t.Errorf("a part: %v", err)
	}
	p, err := o.Create(t.Context(), part.Spec{Part: "a.parquet", Rows: 1})
	must(t, err)
	if err := p.Reject(t.Context(), graph.Rejection{}); err == nil {
		t.Error("a quarantine file outside")
	}
	must(t, p.Close())
	if d := cmp.Diff(map[string]string{"victim.parquet": "mine"}, tree(t, outside)); d != "" {
		t.Error(d)
	}
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	there := func() bool {
		info, err := os.Stat(filepath.Join(cfg.Dir, SuccessName))
		return err == nil && info.Size() == 0
	}
	for i, step := range []struct {
		do   func() error
		want bool
	}{
		{o.Begin, false},
		{func() error { return o.Finish(t.Context(), nil, false) }, false},
		{func() error { return o.Finish(t.Context(), nil, true) }, true},
		{func() error { return o.Finish(t.Context(), nil, true) }, true},
		{o.Begin, false},
		{o.Begin, false},
		{func() error { return o.Finish(t.Context(), nil, true) }, true},
		{func() error { return o.Finish(t.Context(), nil, false) }, false}, // nothing to do, but a file was refused
	} {
		must(t, step.do())
		if there() != step.want {
			t.Errorf("step %d: _SUCCESS is there: %v", i, !step.want)
		}
	}
}

func TestFinishSweepsQuarantineWithoutPart(t *testing.T) {
	t.Parallel()
	cfg, _, _ := standing(t)
	lost := filepath.Join(cfg.Dir, part.QuarantineDir, "d", "e", "gone.parquet.jsonl")
	mine := filepath.Join(cfg.Dir, part.QuarantineDir, "notes.txt")
	must(t, errors.Join(os.WriteFile(lost, nil, 0o666), os.WriteFile(mine, nil, 0o666)))
	want := result(t, cfg.Dir)
	delete(want, "_quarantine/d/e/gone.parquet.jsonl")
	o := open(t, cfg)
	must(t, o.Finish(t.Context(), nil, true))
	if d := differ(want, result(t, cfg.Dir)); d != "" {
		t.Error(d)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		want   string
		change func(*setup)
	}{
		{"Dir", func(c *setup) { c.Dir = "" }},
		{"Outputs", func(c *setup) { c.Outputs = []string{"a", "a"} }},
		{"Outputs", func(c *setup) { c.Outputs = []string{"node_id"} }},
		{"Outputs", func(c *setup) { c.Outputs = []string{""} }},
		{"Settings.Outputs", func(c *setup) { c.Settings.Outputs = []string{"other"} }},
		{"Outputs", func(c *setup) { *c = atLevel(*c, graph.EdgeLevel); c.Outputs = []string{"target"} }},
		{"Settings.Level", func(c *setup) { c.Level = graph.EdgeLevel }},
		{"Settings.Level", func(c *setup) { c.Settings.Level = "graph" }},
		{"Settings.Level", func(c *setup) { c.Settings.Level = "path" }},
		{"Settings.GraphID", func(c *setup) { c.Settings.GraphID = "string" }},
		{"Settings.NodeID", func(c *setup) { c.Settings.NodeID = "string" }},
	} {
		cfg := testConfig("x")
		tc.change(&cfg)
		if err := cfg.validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want one that names %s", err, tc.want)
		}
	}
	for level, output := range map[graph.Level]string{graph.NodeLevel: "target", graph.EdgeLevel: "node_id", graph.GraphLevel: "source"} {
		cfg := atLevel(testConfig("x"), level)
		cfg.Outputs = []string{output}
		must(t, cfg.validate())
	}
}

// validate checks both halves.
func (s setup) validate() error { return errors.Join(s.Config.Validate(), s.Contents.Validate()) }

// Contents that are missing or wrong are refused wherever they are given.
func TestContentsAreChecked(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	spec := part.Spec{Part: "a.parquet", Input: "a"}
	for _, outputs := range [][]string{nil, {"a", "a"}} {
		c := part.Contents{Outputs: outputs}
		if _, err := o.Output.Create(t.Context(), spec, c); err == nil || !strings.Contains(err.Error(), "Outputs") {
			t.Errorf("Create with %q: %v", outputs, err)
		}
		if _, err := o.Output.Reconcile(t.Context(), Plan{Contents: c, Specs: []part.Spec{spec}}); err == nil || !strings.Contains(err.Error(), "Outputs") {
			t.Errorf("Reconcile with %q: %v", outputs, err)
		}
	}
	must(t, shard{spec: spec}.commit(t.Context(), o, false))
	f, err := o.View().Footer("a.parquet")
	must(t, err)
	if f.SettingsDigest != cfg.Settings.Digest() {
		t.Errorf("footer %+v", f)
	}
}
