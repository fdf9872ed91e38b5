//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"graphscore/pipeline/faulttest"
)

// poison is a model and graphs, of which some make what scores them fail: testdata/poison puts that into the servers.
type poison struct {
	model string
	env   []string // of graphscore, whose workers inherit it, or of a server
	clean scores   // of the graphs without poison
	// graphs are those of a file, each to come out once.
	graphs map[string]int
}

// poisonGraphs is the number of graphs in each file: all of them are one request. Each halving costs a worker, and a
// deadline where it hangs.
const poisonGraphs = 8

func newPoison(t *testing.T) *poison {
	t.Helper()
	folder := t.TempDir()
	p := &poison{model: absolute(t, example+"/model"), env: []string{"PYTHONPATH=" + absolute(t, "testdata/poison")}}
	output := filepath.Join(folder, "out")
	run(t, 0, "run", "--input", p.file(t, folder, nil), "--output", output, "--model", p.model, "--workers", "1")
	p.clean, p.graphs = readScores(t, filepath.Join(output, "a.parquet"), "charge"), graphsOf(t, output)
	return p
}

// file writes graphs with poison in some rows.
func (p *poison) file(t *testing.T, folder string, kinds map[int]string) string {
	t.Helper()
	path := filepath.Join(folder, "a.parquet")
	args := []string{absolute(t, example+"/data/held-back.parquet"), path, strconv.Itoa(poisonGraphs)}
	for _, row := range slices.Sorted(maps.Keys(kinds)) {
		args = append(args, fmt.Sprintf("%d=%s", row, kinds[row]))
	}
	python(t, "poison/write.py", args...)
	return path
}

// job writes a job file. A call that never ends is to end soon; a worker that starts on a busy machine may take long.
func (p *poison) job(t *testing.T, folder, input, output, transport, scorer string) string {
	t.Helper()
	return write(t, filepath.Join(folder, "job.yaml"), fmt.Sprintf(
		"input: {path: %q}\noutput: {path: %q}\nlimits: {deadline: 3s, retry_budget: 10m, transport: %s}\n%s\n", input, output, transport, scorer))
}

// poisonous is the code of each kind, and how its message reads.
var poisonous = map[string]struct {
	code    string
	message *regexp.Regexp
}{
	"raise":    {"scorer_failed", regexp.MustCompile(`RuntimeError: a poisonous graph`)},
	"exit":     {"scorer_crashed", regexp.MustCompile(`ended with status 3$`)},
	"segv":     {"scorer_crashed", regexp.MustCompile(`was killed by SIGSEGV$`)},
	"kill":     {"scorer_crashed", regexp.MustCompile(`was killed by SIGKILL$`)},
	"memory":   {"out_of_memory", regexp.MustCompile(`memory`)},
	"hang":     {"deadline_exceeded", regexp.MustCompile(`no answer within \d`)},
	"spin":     {"deadline_exceeded", regexp.MustCompile(`no answer within \d`)},
	"deadlock": {"deadline_exceeded", regexp.MustCompile(`no answer within \d`)},
}

// ofTheMoment is what a message must not have: it would be another one in the next run.
var ofTheMoment = regexp.MustCompile(`0x|unix:|/tmp|` + regexp.QuoteMeta(os.TempDir()) + `|127\.0\.0\.1|\bpid\b|worker \d`)

// entry is a line of a quarantine file.
type entry struct {
	GraphID       string `json:"graph_id"`
	File          string
	Row           int
	Code, Message string
}

func quarantined(t *testing.T, output string) []entry {
	t.Helper()
	lines, err := os.ReadFile(filepath.Join(output, "_quarantine", "a.parquet.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var found []entry
	for line := range strings.Lines(string(lines)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		found = append(found, e)
	}
	return found
}

// check compares an output with what must come of the poison: those graphs in quarantine, all others to the byte.
func (p *poison) check(t *testing.T, output string, kinds map[int]string, column string, remote bool) {
	t.Helper()
	left, gone := maps.Clone(kinds), map[string]bool{}
	for _, e := range quarantined(t, output) {
		kind, message := left[e.Row], poisonous[left[e.Row]].message
		if remote && poisonous[kind].code == "scorer_crashed" {
			message = regexp.MustCompile(`connection .* was lost`)
		}
		if kind == "" || e.Code != poisonous[kind].code || !message.MatchString(e.Message) || ofTheMoment.MatchString(e.Message) || e.File != "a.parquet" {
			t.Errorf("the %s graph of row %d: quarantine has %+v", kind, e.Row, e)
		}
		delete(left, e.Row)
		gone[e.GraphID] = true
	}
	if len(left) > 0 {
		t.Errorf("quarantine lacks %v", left)
	}
	p.neighbours(t, output, column, gone)
}

// neighbours compares the scores of all graphs, but for those that are gone, with those beside which there was no poison.
func (p *poison) neighbours(t *testing.T, output, column string, gone map[string]bool) {
	t.Helper()
	got := readScores(t, filepath.Join(output, "a.parquet"), column)
	for key, score := range p.clean {
		switch now, there := got[key]; {
		case there == gone[key.graph]:
			t.Errorf("%v: scored %v, in quarantine %v", key, there, gone[key.graph])
		case there && math.Float32bits(now) != math.Float32bits(score):
			t.Errorf("%v has score %v beside poison, %v without", key, now, score)
		}
	}
	if extra := len(got) - len(p.clean); extra > 0 {
		t.Errorf("there are %d rows too many", extra)
	}
}

// column is the name of the output by protocol: gcn has none.
var column = map[string]string{"native": "charge", "gcn": "score"}

// Each kind alone, and several in one request, first and last among them: local workers, one, two and four. Every code is
// tried with columns in memory and in messages.
func TestPoison(t *testing.T) {
	t.Parallel()
	p := newPoison(t)
	last := poisonGraphs - 1
	for _, test := range []struct {
		workers   int
		protocol  string
		transport string
		kinds     map[int]string
	}{
		{1, "native", "shared", map[int]string{0: "raise"}},
		{2, "native", "shared", map[int]string{last: "exit"}},
		{4, "native", "shared", map[int]string{3: "segv"}},
		{1, "native", "shared", map[int]string{5: "kill"}},
		{2, "native", "shared", map[int]string{4: "memory"}},
		{1, "native", "shared", map[int]string{last: "hang"}},
		{2, "native", "shared", map[int]string{2: "spin"}},
		{1, "native", "shared", map[int]string{3: "deadlock"}},
		{1, "native", "shared", map[int]string{0: "segv", 3: "raise", 4: "memory", last: "exit"}},
		{2, "native", "shared", map[int]string{0: "kill", 1: "kill", last: "raise"}},
		{4, "native", "shared", map[int]string{0: "memory", 2: "exit", 3: "hang", last: "segv"}},
		{2, "native", "inline", map[int]string{0: "kill", 4: "raise", last: "raise"}},
		{4, "native", "inline", map[int]string{0: "memory", 2: "exit", 3: "hang", last: "segv"}},
		{1, "gcn", "inline", map[int]string{0: "exit", 2: "memory", last: "raise"}},
		{2, "gcn", "inline", map[int]string{0: "raise", 3: "hang", last: "kill"}},
	} {
		var names []string
		for _, row := range slices.Sorted(maps.Keys(test.kinds)) {
			names = append(names, test.kinds[row])
		}
		t.Run(fmt.Sprintf("%s %s workers %d %s", test.protocol, test.transport, test.workers, strings.Join(names, "+")), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			input, output := p.file(t, filepath.Join(folder, "in"), test.kinds), filepath.Join(folder, "out")
			job := p.job(t, folder, input, output, test.transport, fmt.Sprintf("model: {path: %q}\nserver: {protocol: %s}\nworkers: %d", p.model, test.protocol, test.workers))
			began := time.Now()
			o := runWith(t, 3, p.env, "run", job, "--json")
			r := o.record(t)
			t.Logf("%v, %d retries, %d restarts", time.Since(began).Round(10*time.Millisecond), r.Counts.Retries, strings.Count(o.stderr, "is started again"))
			p.check(t, output, test.kinds, column[test.protocol], false)
			if c := r.Counts; c.Quarantined != int64(len(test.kinds)) || c.Scored != poisonGraphs-c.Quarantined {
				t.Errorf("the run counts %+v", c)
			}
			faulttest.Report(t, faulttest.Row{Case: "A", How: "a graph on which a local worker raises, exits, segfaults, is killed, has no memory, hangs, spins or deadlocks; alone and several in a request",
				Outcome: "3, those graphs in quarantine, the scores of all others equal to the bit", Times: len(test.kinds), Tally: faulttest.Compare(graphsOf(t, output), p.graphs)})
		})
	}
}

// restarting serves the model with the poison, and is started again by itself, as by a supervisor.
func (p *poison) restarting(t *testing.T) string {
	t.Helper()
	return serve(t, append([]string{"POISON_HANG=6"}, p.env...), "testdata/poison/supervise.py", p.model).address
}

// Servers elsewhere: nobody here knows how their processes end.
func TestPoisonOfServers(t *testing.T) {
	t.Parallel()
	p := newPoison(t)
	address := p.restarting(t)
	for _, test := range []struct {
		protocol string
		kinds    map[int]string
	}{
		{"native", map[int]string{0: "exit", 2: "memory", poisonGraphs - 1: "raise"}},
		{"native", map[int]string{2: "hang"}},
		{"gcn", map[int]string{0: "segv", 3: "raise", 4: "memory"}},
	} {
		t.Run(fmt.Sprint(test.protocol, test.kinds), func(t *testing.T) {
			folder := t.TempDir()
			input, output := p.file(t, filepath.Join(folder, "in"), test.kinds), filepath.Join(folder, "out")
			job := p.job(t, folder, input, output, "auto", fmt.Sprintf("server: {addresses: [%q], protocol: %s}", address, test.protocol))
			began := time.Now()
			r := run(t, 3, "run", job, "--json").record(t)
			t.Logf("%v, %d retries", time.Since(began).Round(10*time.Millisecond), r.Counts.Retries)
			p.check(t, output, test.kinds, column[test.protocol], true)
			faulttest.Report(t, faulttest.Row{Case: "A", How: "the same behind a server that is started again by a supervisor",
				Outcome: "3, those graphs in quarantine, the scores of all others equal to the bit", Times: len(test.kinds), Tally: faulttest.Compare(graphsOf(t, output), p.graphs)})
		})
	}
}

// Of five dates the second has poison: the others are scored, and the backfill ends with 3.
func TestPoisonInABackfill(t *testing.T) {
	t.Parallel()
	p := newPoison(t)
	folder := t.TempDir()
	kinds := map[int]string{0: "segv", 5: "exit"}
	for day := 1; day <= 5; day++ {
		bad := kinds
		if day != 2 {
			bad = nil
		}
		p.file(t, filepath.Join(folder, "in", fmt.Sprintf("dt=2026-03-%02d", day)), bad)
	}
	job := p.job(t, folder, filepath.Join(folder, "in", "dt={date}"), filepath.Join(folder, "out", "dt={date}"), "shared",
		fmt.Sprintf("model: {path: %q}\nworkers: 2", p.model))
	began := time.Now()
	o := runWith(t, 3, p.env, "backfill", job, "--since", "2026-03-01", "--until", "2026-03-06", "--parallel", "2")
	t.Logf("%v", time.Since(began).Round(10*time.Millisecond))
	tally := &faulttest.Tally{}
	for day := 1; day <= 5; day++ {
		output := filepath.Join(folder, "out", fmt.Sprintf("dt=2026-03-%02d", day))
		if _, err := os.Stat(filepath.Join(output, "_SUCCESS")); err != nil {
			t.Errorf("%v\n%s", err, o.stderr)
		}
		tally.Add(faulttest.Compare(graphsOf(t, output), p.graphs))
		if day == 2 {
			p.check(t, output, kinds, "charge", false)
			continue
		}
		if got := readScores(t, filepath.Join(output, "a.parquet"), "charge"); !maps.Equal(got, p.clean) {
			t.Errorf("day %d has %d scores, expected the %d of every day", day, len(got), len(p.clean))
		}
		if len(sums(t, output)) != 1 {
			t.Errorf("day %d has a quarantine file", day)
		}
	}
	faulttest.Report(t, faulttest.Row{Case: "B", How: "two graphs that crash their workers in the second of five dates",
		Outcome: "3, those in quarantine, the other dates scored", Times: len(kinds), Tally: tally})
}
