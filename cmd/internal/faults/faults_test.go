//go:build faults

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"graphscore/cmd/internal/faults/inject"
	"graphscore/pipeline/faulttest"
)

// scenario is a command over an output in a certain state.
type scenario struct {
	name string
	// before are the commands that make that state, none for an output that does not exist. The last of them is killed
	// at the call that dies names.
	before []command
	dies   func(inject.Call) bool
	// lose is a file of it that is removed then.
	lose string
	command
}

var scenarios = []scenario{
	{name: "first run", command: command{"first", "run", nil}},
	{name: "resume", before: []command{{"less", "run", nil}, {"first", "run", nil}}, dies: func(c inject.Call) bool {
		return strings.HasPrefix(c.Name, "rename") && strings.HasSuffix(c.Path, "/e/c.parquet")
	}, lose: "_quarantine/a.rg00000-00000.parquet.jsonl", command: command{"first", "run", nil}},
	{name: "nothing to do", before: []command{{"first", "run", nil}}, command: command{"first", "run", nil}},
	{name: "rescore", before: []command{{"first", "run", nil}}, command: command{"changed", "run", []string{"--rescore"}}},
	{name: "prune", before: []command{{"first", "run", nil}}, command: command{"less", "run", []string{"--prune"}}},
	{name: "backfill", before: []command{{"dated", "run", []string{"--date", "2026-01-01"}}},
		command: command{"dated", "backfill", []string{"--since", "2026-01-01", "--until", "2026-01-03"}}},
	{name: "backfill, stale", before: []command{{"dated", "backfill", []string{"--since", "2026-01-01", "--until", "2026-01-03"}}},
		command: command{"redated", "backfill", []string{"--since", "2026-01-02", "--until", "2026-01-03", "--only", "stale"}}},
}

// fault is what is injected, with its name in the table, and the case that it is.
type fault struct {
	name string
	inject.Fault
	number string
}

var faults = []fault{
	{"EIO", inject.Fault{Errno: syscall.EIO}, "5"},
	{"ENOSPC", inject.Fault{Errno: syscall.ENOSPC}, "4"},
	{"EMFILE", inject.Fault{Errno: syscall.EMFILE}, "C"},
	{"EACCES", inject.Fault{Errno: syscall.EACCES}, "C"},
	{"SIGKILL", inject.Fault{Kill: true}, "2"},
}

// report reports what came of a fault at every call: each is an output of so many graphs, read again after the next run.
func (f fault) report(t *testing.T, r row, graphs map[string]int) {
	t.Helper()
	how, outcome := f.name+" from each system call on the output, lookups included", "73 or 74, or as if undisturbed; then the same bytes"
	if f.Kill {
		how, outcome = "SIGKILL at each system call on the output (ptrace)", "137, then the same bytes"
	}
	tally := faulttest.Compare(graphs, graphs)
	tally.Graphs, tally.Lost, tally.Duplicated = tally.Graphs*r.injected, r.lost, r.duplicated
	faulttest.Report(t, faulttest.Row{Case: f.number, How: how, Outcome: outcome, Times: r.injected, Tally: tally})
}

// Every call of a command on its output fails once with each error, and once the process is killed there. The command
// ends with an error that names the output, or as if nothing had been; no success has less than it should; and the next
// run ends as if nothing had ever been.
func TestEveryCallFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "case\tfault\tcalls\tinjected\terror\tunharmed\tkilled\twrong\tlost\tduplicated\tnot made")
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			c, err := w.undisturbed(t, s)
			if err != nil {
				t.Fatal(err)
			}
			for i, row := range c.injectAll(t) {
				if row.notMade > (row.injected+row.notMade)/10 {
					t.Errorf("%s: %d of %d calls were not made", faults[i].name, row.notMade, row.injected+row.notMade)
				}
				fmt.Fprintf(columns, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.name, faults[i].name, len(c.points),
					row.injected, row.failed, row.unharmed, row.killed, row.wrong, row.lost, row.duplicated, row.notMade)
				faults[i].report(t, row, c.graphs)
			}
		})
	}
	if err := columns.Flush(); err != nil {
		t.Fatal(err)
	}
	table.WriteString(legend)
	if err := os.MkdirAll(filepath.Dir(summary), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(summary, []byte(table.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}

// legend says what the columns of the table are.
const legend = `
calls: on the output, of a run without faults; each fault is injected at every one. error: it ended with 73 or 74 and
named the output. unharmed: it ended as if undisturbed, with the same files. wrong: anything else, or a next run that did
not end with the same files. lost, duplicated: graphs, in what counts as done. not made: there was no such call.
`

// row sums up the injections of one fault.
type row struct{ injected, failed, unharmed, killed, wrong, lost, duplicated, notMade int }

func (r *row) count(v verdict) {
	r.lost += v.lost
	r.duplicated += v.duplicated
	if v.notMade {
		r.notMade++
	} else {
		r.injected++
	}
	switch {
	case v.wrong != "":
		r.wrong++
	case v.killed:
		r.killed++
	case v.failed:
		r.failed++
	case !v.notMade:
		r.unharmed++
	}
}

// injection is a fault, by its place in faults, at a point.
type injection struct {
	fault int
	point point
}

// injections are what is tried: each fault at each point.
func (c *tested) injections() []injection {
	var all []injection
	for i := range faults {
		for _, p := range c.points {
			all = append(all, injection{i, p})
		}
	}
	return all
}

// injectAll makes all injections, a few at once.
func (c *tested) injectAll(t *testing.T) []row {
	t.Helper()
	rows, all := make([]row, len(faults)), c.injections()
	var mu sync.Mutex
	var next int
	var g errgroup.Group
	for _, cpu := range processors(t) {
		g.Go(pinned(cpu, func() error {
			for {
				mu.Lock()
				if next == len(all) {
					mu.Unlock()
					return nil
				}
				in := all[next]
				next++
				mu.Unlock()
				f := faults[in.fault]
				v, err := c.inject(t.Context(), in.point, f.Fault)
				if err != nil {
					return fmt.Errorf("%s at %s: %w", f.name, in.point, err)
				}
				mu.Lock()
				rows[in.fault].count(v)
				mu.Unlock()
				if v.wrong != "" {
					t.Errorf("%s, %s at %s: %s", c.name, f.name, in.point, v.wrong)
				}
			}
		}))
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// processors are those that this process may use.
func processors(t *testing.T) []int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	var list []int
	for cpu := 0; len(list) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return list
}

// pinned is work on one processor, to which what it starts is pinned as well: a thread that is traced and the one that
// traces it never run at once, and waking another processor takes longer than what they do.
func pinned(cpu int, work func() error) func() error {
	return func() error {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return err
		}
		return work()
	}
}
