//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
)

// A server that is stopped while it scores: the run ends at its budget with 69, and goes on where the server does.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	w := longWork(t)
	server := serveModel(t, w.model)
	job := write(t, filepath.Join(t.TempDir(), "job.yaml"), fmt.Sprintf(
		"input: {path: %q}\nserver: {addresses: [%q]}\nlimits: {deadline: 3s, retry_budget: 10s}\n", w.input, server.address))
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(server.pid, s); err != nil {
			t.Fatal(err)
		}
	}
	output, code := "", 0
	for range 10 { // a machine that is busy elsewhere may stop the server when the run is done
		output = filepath.Join(t.TempDir(), fmt.Sprint("out", code))
		p := start(t, "run", job, "--output", output, "--log-format", "json")
		w.committed(t, output, 1)
		signal(syscall.SIGSTOP)
		o := p.wait()
		signal(syscall.SIGCONT)
		if code = o.code; code == 69 {
			if said := o.sentence(t); !strings.Contains(said, server.address) {
				t.Errorf("it says %q", said)
			}
			break
		}
	}
	if code != 69 {
		t.Fatalf("exit code %d", code)
	}
	w.visible(t, output)
	run(t, 0, "run", "--input", w.input, "--server", server.address, "--output", output)
	whole(t, output, w.want)
	faulttest.Report(t, faulttest.Row{Case: "9", How: "SIGSTOP of a server while it scores, SIGCONT after the end of the run",
		Outcome: "69 at the retry budget, then 0, the same bytes", Times: 1, Tally: faulttest.Compare(graphsOf(t, output), w.graphs)})
}

// The process of a server is killed while it scores: a run goes on where it is there again, else it ends at its budget with 69
// and is continued.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	w := longWork(t)
	for _, test := range []struct {
		number, how, outcome, budget string
		code                         int
	}{
		{"7", "SIGKILL of the process of a server while it scores; another serves there after 3 s", "0, the same bytes", "10m", 0},
		{"8", "SIGKILL of the process of a server while it scores, for good; then the run is continued with another", "69 at the retry budget, then 0, the same bytes", "10s", 69},
	} {
		t.Run(test.number, func(t *testing.T) {
			folder, code, retries := t.TempDir(), -1, int64(0)
			var output, address string
			for i := range 10 { // a machine that is busy elsewhere may kill the server when the run is done
				address, output = remotetest.Reserved(t), filepath.Join(folder, fmt.Sprint("out", i)) // also while nobody serves there
				server := serveModel(t, w.model, "--listen", address)
				job := write(t, filepath.Join(folder, "job.yaml"), fmt.Sprintf(
					"input: {path: %q}\nserver: {addresses: [%q]}\nlimits: {retry_budget: %s}\n", w.input, address, test.budget))
				p := start(t, "run", job, "--output", output, "--json")
				w.committed(t, output, 1)
				server.stop()
				if test.code == 0 {
					time.Sleep(3 * time.Second)
					defer serveModel(t, w.model, "--listen", address).stop()
				}
				o := p.wait()
				if code, retries = o.code, o.record(t).Counts.Retries; retries > 0 {
					break
				}
			}
			if code != test.code || retries == 0 {
				t.Fatalf("exit code %d after %d retries, expected %d", code, retries, test.code)
			}
			w.visible(t, output)
			if test.code != 0 {
				run(t, 0, "run", "--input", w.input, "--server", serveModel(t, w.model).address, "--output", output)
			}
			whole(t, output, w.want)
			w.report(t, output, faulttest.Row{Case: test.number, How: test.how, Outcome: test.outcome, Times: 1})
		})
	}
}

// A worker whose memory passes limits.worker_memory is replaced once it has answered: no graph is lost, no byte differs.
func TestWorkerMemory(t *testing.T) {
	t.Parallel()
	p := newPoison(t)
	folder := t.TempDir()
	kinds := map[int]string{2: "swell", 5: "swell"} // in one process, where it takes both before it has answered the first
	input, output := p.file(t, filepath.Join(folder, "in"), kinds), filepath.Join(folder, "out")
	plain := filepath.Join(folder, "plain")
	run(t, 0, "run", "--input", input, "--output", plain, "--model", p.model) // without poison these are graphs like any other
	job := write(t, filepath.Join(folder, "job.yaml"), fmt.Sprintf(
		"input: {path: %q}\noutput: {path: %q}\nmodel: {path: %q}\nworkers: 1\nlimits: {worker_memory: 256MiB, request_bytes: 1}\n", input, output, p.model))
	o := runWith(t, 0, p.env, "run", job, "--log-format", "json")
	replaced := strings.Count(o.stderr, "a worker takes too much memory and is replaced")
	if replaced < 1 || replaced > len(kinds) {
		t.Errorf("%d replaced\n%s", replaced, o.stderr)
	}
	whole(t, output, sums(t, plain))
	faulttest.Report(t, faulttest.Row{Case: "F", How: "a worker keeps 300 MiB from a graph on, limits.worker_memory is 256 MiB",
		Outcome: "0, it is replaced once it has answered, the same bytes", Times: replaced, Tally: faulttest.Compare(graphsOf(t, output), p.graphs)})
}
