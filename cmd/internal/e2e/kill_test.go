//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline/faulttest"
)

// work is a run that takes a few seconds, with a model folder of its own: workers are known by its path.
type work struct {
	input, model string
	job          string // file with limits, "" for the defaults
	want         map[string]string
	graphs       map[string]int // how often each comes out of it
	took         time.Duration
	code         int // of a whole run
}

// longWork makes it, with as many bad graphs as named, and runs it once undisturbed.
func longWork(t *testing.T, bad ...string) *work {
	t.Helper()
	folder := t.TempDir()
	w := &work{input: filepath.Join(folder, "in"), model: filepath.Join(folder, "model")}
	python(t, "repeat.py", example+"/data", w.input, strconv.Itoa(times), strconv.Itoa(files))
	if len(bad) > 0 {
		w.code = 3
		spoil := filepath.Join(w.input, "part-00004.parquet")
		python(t, "spoil.py", append([]string{spoil, spoil}, bad...)...)
	}
	if err := os.CopyFS(w.model, os.DirFS(example+"/model")); err != nil {
		t.Fatal(err)
	}
	output, begin := filepath.Join(folder, "undisturbed"), time.Now()
	run(t, w.code, w.args(output)...)
	w.took, w.want = time.Since(begin), sums(t, output)
	if len(w.want) != files+min(len(bad), 1) {
		t.Fatalf("%d parts and quarantine files", len(w.want))
	}
	w.graphs = graphsOf(t, output)
	return w
}

// The example so many times over, in so many files.
const times, files = 12, 8

func (w *work) args(output string) []string {
	args := []string{"run"}
	if w.job != "" {
		args = append(args, w.job)
	}
	return append(args, "--input", w.input, "--output", output, "--model", w.model, "--workers", "2", "--log-format", "json")
}

// workers gives the processes that serve the model, as the list of processes shows them.
func (w *work) workers(t *testing.T) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && bytes.Contains(line, []byte("serve\x00--model\x00"+w.model+"\x00")) {
			found = append(found, pid)
		}
	}
	return found
}

// visible checks that whatever has its final name is whole, and counts the parts.
func (w *work) visible(t *testing.T, output string) int {
	t.Helper()
	parts := 0
	for name, sum := range sums(t, output) {
		if w.want[name] != sum {
			t.Errorf("%s is there and not what it should be", name)
		}
		if strings.HasSuffix(name, ".parquet") {
			parts++
		}
	}
	return parts
}

// committed waits until some parts of a run are there.
func (w *work) committed(t *testing.T, output string, parts int) {
	t.Helper()
	eventually(t, "parts are committed", func() bool {
		there, err := filepath.Glob(output + "/*.parquet")
		return err == nil && len(there) >= parts
	})
}

// caught starts the work and stops graphscore, with SIGSTOP, once parts are committed and half of the files are not: what a
// test then does to it, or to its workers, is done in the middle of a run, however busy the machine is. The test lets it go
// on, see [process.goOn].
func (w *work) caught(t *testing.T, more ...string) (p *process, output string) {
	t.Helper()
	for range 10 { // a machine that is busy elsewhere may stop it when it is nearly done
		output = filepath.Join(t.TempDir(), "out")
		// With two shards at a time: on a machine of many cores all would be done at once.
		p = startWith(t, []string{"GOMAXPROCS=2"}, append(w.args(output), more...)...)
		w.committed(t, output, 1)
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		state := byte(0)
		eventually(t, "it is stopped, or has ended", func() bool {
			state = stateOf(t, p.cmd.Process.Pid)
			return state == 'T' || state == 'Z'
		})
		if state == 'T' && w.visible(t, output) <= files/2 {
			return p, output
		}
		p.goOn()
		if o := p.wait(); o.code != w.code {
			t.Fatalf("exit code %d, expected %d\n%s", o.code, w.code, o.stderr)
		}
	}
	t.Fatal("each of ten runs was nearly done when it was stopped")
	return nil, ""
}

// goOn continues what caught has stopped.
func (p *process) goOn() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatal(err)
	}
}

// born waits for the first worker, or for the end: before there is a worker, there is nobody to clear the folder of the sockets
// when graphscore is killed.
func (p *process) born() {
	p.t.Helper()
	eventually(p.t, "a worker is born, or the run has ended", func() bool {
		children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.cmd.Process.Pid))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, file := range children {
			if born, _ := os.ReadFile(file); len(born) > 0 { // a thread may have ended
				return true
			}
		}
		return stateOf(p.t, p.cmd.Process.Pid) == 'Z'
	})
}

// Invariant 6: kill -9 at any moment leaves no half file and no process; the next run ends with the same bytes.
func TestKilled(t *testing.T) {
	t.Parallel()
	longWork(t, "3=nan", "3000=edge").each(t, (*work).killed)
}

func (w *work) killed(t *testing.T) {
	output := filepath.Join(t.TempDir(), "out")
	parts, kills := 0, 0
	for i := range 8 {
		p := startWith(t, []string{"GOMAXPROCS=2"}, w.args(output)...) // as in caught
		p.born()
		moment := time.Duration(rand.Int64N(int64(w.took)))
		if i%2 == 0 { // while parts come in
			w.committed(t, output, parts+1)
			moment = time.Duration(rand.Int64N(int64(20 * time.Millisecond)))
		}
		time.Sleep(moment)
		memory := memoryOf(t, p.cmd.Process.Pid)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		o := p.wait()
		eventually(t, "the workers are gone", func() bool { return len(w.workers(t)) == 0 })
		nobodyHas(t, memory)
		if parts = w.visible(t, output); o.code == -1 {
			kills++
		}
		t.Logf("killed after %v, exit code %d, %d parts", moment, o.code, parts)
		if parts == files {
			break
		}
	}
	r := run(t, w.code, append(w.args(output), "--json")...).record(t)
	if r.Counts.RowsIn != times*4806 || r.QuarantinedByCode["non_finite_feature"] != 1 || r.QuarantinedByCode["edge_out_of_range"] != 1 {
		t.Errorf("the last run counts %+v", r.Counts)
	}
	whole(t, output, w.want)
	if left := w.workers(t); len(left) > 0 {
		t.Errorf("workers %v were left", left)
	}
	w.report(t, output, faulttest.Row{Case: "1", How: "SIGKILL at random moments, every second while parts come in",
		Outcome: "137, then 3 for two broken graphs, the same bytes", Times: kills})
}

// report reports a row with the graphs of an output, which are to be those of the work.
func (w *work) report(t *testing.T, output string, r faulttest.Row) {
	t.Helper()
	r.Tally = faulttest.Compare(graphsOf(t, output), w.graphs)
	faulttest.Report(t, r)
}

// A worker that dies is started again, and one that is stopped, here the only one, is replaced; what it had is scored by
// others, or by itself later.
func TestWorkerLost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		workers int
		signal  syscall.Signal
		says    string
	}{
		{"killed", 2, syscall.SIGKILL, "a worker died and is started again"},
		{"stopped", 1, syscall.SIGSTOP, "a worker hangs and is replaced"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			longWork(t).each(t, func(w *work, t *testing.T) { w.lost(t, test.workers, test.signal, test.says) })
		})
	}
}

// lost runs the work with so many workers, of which one gets a signal.
func (w *work) lost(t *testing.T, workers int, signal syscall.Signal, says string) {
	p, output := w.caught(t, "--workers", strconv.Itoa(workers), "--json")
	victims := w.workers(t)
	if len(victims) != workers {
		t.Fatalf("workers %v, expected %d", victims, workers)
	}
	memory := memoryOf(t, p.cmd.Process.Pid)
	if err := syscall.Kill(victims[0], signal); err != nil {
		t.Fatal(err)
	}
	p.goOn()
	lost := time.Now()
	o := p.wait()
	t.Logf("the run ended %v after the signal", time.Since(lost).Round(10*time.Millisecond))
	if o.code != 0 || !strings.Contains(o.stderr, says) {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	if c := o.record(t).Counts; c.Scored != times*4806 {
		t.Errorf("the run counts %+v", c)
	}
	whole(t, output, w.want)
	if left := w.workers(t); len(left) > 0 {
		t.Errorf("workers %v were left", left)
	}
	nobodyHas(t, memory)
	row := faulttest.Row{Case: "E", How: "SIGSTOP of the only local worker", Outcome: "0, it is replaced, the same bytes", Times: 1}
	if signal == syscall.SIGKILL {
		row.Case, row.How, row.Outcome = "1", "SIGKILL of one of two local workers", "0, it is started again, the same bytes"
	}
	w.report(t, output, row)
}

// A signal ends a run in order: what is committed stays, the same command continues.
func TestSignals(t *testing.T) {
	t.Parallel()
	longWork(t).each(t, (*work).signalled)
}

func (w *work) signalled(t *testing.T) {
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		code   int
	}{{"SIGTERM", syscall.SIGTERM, 143}, {"SIGINT", syscall.SIGINT, 130}} {
		t.Run(test.name, func(t *testing.T) {
			p, output := w.caught(t, "--json")
			p.goOn()
			for range 2 { // as timeout(1) does: to the process and to its group
				if err := p.cmd.Process.Signal(test.signal); err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			o := p.wait()
			if o.code != test.code {
				t.Errorf("exit code %d, expected %d", o.code, test.code)
			}
			if said := o.sentence(t); !strings.Contains(said, "stopped by "+test.name) {
				t.Errorf("it says %q", said)
			}
			if r := o.record(t); r.ExitCode != test.code || r.Error == "" {
				t.Errorf("the record has exit code %d and error %q", r.ExitCode, r.Error)
			}
			if left := w.workers(t); len(left) > 0 {
				t.Errorf("workers %v were left", left)
			}
			if _, err := os.Stat(filepath.Join(output, "_SUCCESS")); err == nil {
				t.Error("a run that was stopped has _SUCCESS")
			}
			parts := w.visible(t, output)
			if temps, err := filepath.Glob(output + "/*.tmp"); err != nil || len(temps) > 0 {
				t.Errorf("%v were left (%v)", temps, err)
			}
			r := run(t, 0, append(w.args(output), "--json")...).record(t)
			if r.Counts.ShardsSkipped != int64(parts) {
				t.Errorf("%d parts were skipped, %d were there", r.Counts.ShardsSkipped, parts)
			}
			whole(t, output, w.want)
			w.report(t, output, faulttest.Row{Case: "22", How: test.name + " to a run, twice within 20 ms, as timeout(1) sends it",
				Outcome: strconv.Itoa(test.code) + ", then 0, the same bytes", Times: 1})
		})
	}
	t.Run("SIGTERM twice", w.secondSignal)
}

// secondSignal: the second signal ends a run that cannot end in order, here for workers that do not move.
func (w *work) secondSignal(t *testing.T) {
	p, output := w.caught(t)
	memory, stopped := memoryOf(t, p.cmd.Process.Pid), w.workers(t)
	goOn := func() { // no SIGHUP comes where the first process of a container is of their session: they stay stopped
		for _, pid := range stopped {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may be gone
		}
	}
	defer goOn()
	for _, pid := range stopped {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	p.goOn()
	var signals errgroup.Group
	signals.Go(func() error {
		for { // more than two, where the machine is too busy to take them a second apart
			if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
				return nil
			} else if err != nil {
				return err
			}
			time.Sleep(1200 * time.Millisecond) // sooner, it would be the same signal
		}
	})
	// Linux ends stopped processes whose parent is gone by SIGHUP, so that their sockets stay: not for wait.
	_ = p.cmd.Wait() // a signal is what is expected
	if err := signals.Wait(); err != nil {
		t.Fatal(err)
	}
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, expected the signal itself", p.cmd.ProcessState)
	}
	goOn()
	eventually(t, "the workers are gone", func() bool { return len(w.workers(t)) == 0 })
	nobodyHas(t, memory)
	w.visible(t, output)
	run(t, 0, w.args(output)...)
	whole(t, output, w.want)
	w.report(t, output, faulttest.Row{Case: "22", How: "SIGTERM twice, a second apart, over workers that are stopped",
		Outcome: "143 at once, then 0, the same bytes", Times: 1})
}
