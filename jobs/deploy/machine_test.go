//go:build deploy

package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/jobs/jobtest"
)

// repo is the checkout, as seen from this folder.
const repo = "../.."

// need ends the test where a program is not there, and says whose it is.
func need(t *testing.T, programs map[string]string) {
	t.Helper()
	for program, debian := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not there: install it (Debian's package %s)", program, debian)
		}
	}
}

// folder is one that a test fills. Its methods end the test where the disk does not do as they say.
type folder struct {
	t  *testing.T
	at string
}

func (f *folder) path(name string) string { return filepath.Join(f.at, name) }

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// put writes a file, and creates the folders above it.
func (f *folder) put(name, text string) {
	f.t.Helper()
	f.must(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.must(os.WriteFile(f.path(name), []byte(text), 0o644))
}

// machine is what testdata/sandbox.sh lays over this machine for one command.
type machine struct{ folder }

// window is how many dates the command of the templates runs.
const window = 7

// withinOneDay waits, where a test of the clock of this machine might still run at midnight UTC, until the next day has begun:
// "yesterday" is then one date from its begin to its end.
func withinOneDay(t *testing.T) {
	t.Helper()
	const longest = 10 * time.Minute
	now := time.Now()
	if left := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now); left < longest {
		t.Logf("waiting %v for midnight UTC", left.Round(time.Second))
		time.Sleep(left + 2*time.Second) // a clock that is set meanwhile is not far off
	}
}

// newMachine has the job molecules, with the graphs of all dates of its window for as long as a test takes.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this needs root: mounts, cron and systemd in a root of their own; nothing is changed outside it")
	}
	need(t, map[string]string{"unshare": "util-linux", "pivot_root": "util-linux", "useradd": "passwd"})
	for _, built := range []string{"bin/graphscore", "python/.venv/bin/python"} {
		if _, err := os.Stat(filepath.Join(repo, built)); err != nil {
			t.Fatalf("%v: run `make test-deploy`, which builds it", err)
		}
	}
	syscall.Umask(0o022) // of this process: the user graphscore reads what is written here
	m := &machine{folder{t, t.TempDir()}}
	for _, name := range []string{"layer", "srv", "log", "root/etc/cron.d", "root/etc/logrotate.d", "root/etc/systemd/system"} {
		m.must(os.MkdirAll(m.path(name), 0o755))
	}
	withinOneDay(t)
	now := time.Now().UTC()
	for back := range window + 1 {
		date := now.AddDate(0, 0, -back).Format(time.DateOnly)
		m.put("srv/molecules/data/dt="+date+"/atoms.parquet", read(t, repo+"/jobs/examples/molecules/data/held-back.parquet"))
	}
	m.must(os.CopyFS(m.path("srv/molecules/model"), os.DirFS(repo+"/jobs/examples/molecules/model")))
	m.put("root/etc/graphscore/molecules.yaml", read(t, "molecules.yaml"))
	m.putOthers()
	return m
}

// putOthers adds jobs whose nights end otherwise, each named after what is wrong.
func (m *machine) putOthers() {
	m.t.Helper()
	job := read(m.t, "molecules.yaml")
	m.put("root/etc/graphscore/broken.yaml", strings.Replace(job, "name:", "title:", 1))
	graphs := jobtest.NewGraphs()
	graphs.Width = 16
	m.must(graphs.WriteFile(m.path("srv/few/a.parquet"), 5))
	for back := 2; back < window; back++ { // nothing of yesterday
		date := time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly)
		m.must(graphs.WriteFile(m.path("srv/late/dt="+date+"/a.parquet"), 5))
	}
	graphs.Bad[1] = "nan"
	m.must(graphs.WriteFile(m.path("srv/some/a.parquet"), 5))
	const model = "model: {path: /srv/graphscore/molecules/model}\n"
	const away = "server: {addresses: ['127.0.0.1:1']}\nlimits: {retry_budget: "
	for name, rest := range map[string]string{
		"late":    "input: {path: '/srv/graphscore/late/dt={date}'}\n" + model,
		"partly":  "input: {path: /srv/graphscore/some}\n" + model,
		"strict":  "input: {path: /srv/graphscore/some}\nping: {partly: failure}\n" + model,
		"gated":   "input: {path: /srv/graphscore/few}\ngates: {min_graphs: 6}\n" + model,
		"early":   "input: {path: /srv/graphscore/few, require: _DONE}\n" + model,
		"away":    "input: {path: /srv/graphscore/few}\n" + away + "1s}\n",
		"patient": "input: {path: /srv/graphscore/few}\n" + away + "10m}\n",
	} {
		m.put("root/etc/graphscore/"+name+".yaml", "output: {path: '/srv/graphscore/molecules/scores/"+name+"/dt={date}'}\n"+
			"metrics: {textfile: /var/lib/prometheus/node-exporter}\n"+rest)
	}
}

// read returns a file of the machine, empty where it is not there.
func (m *machine) read(name string) string {
	m.t.Helper()
	text, err := os.ReadFile(m.path(name))
	if !errors.Is(err, os.ErrNotExist) {
		m.must(err)
	}
	return string(text)
}

// run runs a command of the machine until it ends or ctx does: all that it has started ends with it. It returns
// what it printed, and its exit code.
func (m *machine) run(ctx context.Context, args ...string) (printed string, code int) {
	m.t.Helper()
	checkout, err := filepath.Abs(repo)
	m.must(err)
	cmd := exec.CommandContext(ctx, "sh", append([]string{"testdata/sandbox.sh", checkout, m.at}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	m.must(cmd.Start())
	_ = cmd.Wait() // how it ended is in the code
	m.forget(fmt.Sprintf("graphscore-%d", cmd.Process.Pid))
	return out.String(), cmd.ProcessState.ExitCode()
}

// forget removes control groups, once all that was in them has ended.
func (m *machine) forget(name string) {
	m.t.Helper()
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	m.must(err)
	for _, group := range append(groups, "/sys/fs/cgroup/"+name) {
		var folders []string
		m.must(filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders = append(folders, path)
			}
			return nil
		}))
		for _, folder := range slices.Backward(folders) {
			err := os.Remove(folder)
			for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); err = os.Remove(folder) {
				time.Sleep(10 * time.Millisecond)
			}
			m.must(err)
		}
	}
}

// parts are the parts of the job molecules.
func (m *machine) parts() []string {
	m.t.Helper()
	found, err := filepath.Glob(m.path("srv/molecules/scores/dt=*/*.parquet"))
	m.must(err)
	return found
}

// same checks that each part is, to the byte, what a run without any of this makes of the same graphs.
func (m *machine) same() {
	m.t.Helper()
	parts := m.parts()
	if len(parts) != window {
		m.t.Fatalf("parts are %q", parts)
	}
	input, err := filepath.Glob(m.path("srv/molecules/data/*"))
	m.must(err)
	out := m.t.TempDir()
	plain := exec.CommandContext(m.t.Context(), repo+"/bin/graphscore", "run", "--output", out, "--input", input[0],
		"--model", repo+"/jobs/examples/molecules/model")
	plain.Env = append(os.Environ(), "GRAPHSCORE_PYTHON=")
	if said, err := plain.CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, said)
	}
	want := read(m.t, filepath.Join(out, "atoms.parquet"))
	for _, part := range parts {
		if read(m.t, part) != want {
			m.t.Errorf("%s differs from that of a plain run", part)
		}
	}
}

// ran checks that the job molecules had so many nights, and that each of its dates was run once, and well.
func (m *machine) ran(nights int) {
	m.t.Helper()
	count := map[string]int{}
	for _, pattern := range []string{"_runs/backfill-*.json", "dt=*/_runs/*.json", "dt=*/_SUCCESS"} {
		found, err := filepath.Glob(m.path("srv/molecules/scores/" + pattern))
		m.must(err)
		count[pattern] = len(found)
	}
	if diff := cmp.Diff(map[string]int{"_runs/backfill-*.json": nights, "dt=*/_runs/*.json": window, "dt=*/_SUCCESS": window}, count); diff != "" {
		m.t.Error(diff)
	}
	for _, part := range m.parts() {
		info, err := os.Stat(part)
		m.must(err)
		if info.Sys().(*syscall.Stat_t).Uid == 0 {
			m.t.Error("the job was run by root, not by the user graphscore")
		}
	}
}
