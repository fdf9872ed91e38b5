package run

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/jobs/jobtest"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/local"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// simWorld is an input, what scores it, and the output of a run that nothing disturbs. It is only read once it is made.
type simWorld struct {
	name   string
	input  string
	model  string
	served *graph.Model
	poison map[int64]simFault // by the number of a graph: what becomes of the worker that scores it

	code  int               // of a run that ends
	files map[string]string // every part and quarantine file
	rows  int64             // graphs in the parts
}

// simGraphs are the files of a world. Each graph has a number of its own, which is its id and its first feature; none is 0,
// as those are the known good graphs of the pipeline.
type simGraphs struct {
	name  string
	from  int64
	count int
	group int
	arrow bool
	bad   map[int]string
	cut   bool // the file is cut off
}

func simWorlds(t *testing.T) []*simWorld {
	t.Helper()
	plain := []simGraphs{
		{name: "a.parquet", from: 100, count: 11, group: 4}, {name: "b/c.arrow", from: 200, count: 5, group: 3, arrow: true},
		{name: "b/d.parquet", from: 300, count: 3, group: 9},
	}
	spoilt := slices.Clone(plain)
	spoilt[0].bad, spoilt[1].bad = map[int]string{1: "nan", 9: "width"}, map[int]string{0: "edge", 1: "null", 2: "edge"}
	damaged := append(slices.Clone(spoilt), simGraphs{name: "e.parquet", from: 400, count: 4, group: 4, cut: true})
	poison := map[int64]simFault{103: simDie, 107: simRaise, 204: simDie, 300: simRaise}
	worlds := []*simWorld{
		makeWorld(t, "plain", plain, nil), makeWorld(t, "bad graphs", spoilt, nil),
		makeWorld(t, "a damaged file", damaged, nil), makeWorld(t, "poison", spoilt, poison),
	}
	for _, w := range worlds {
		w.undisturbed(t)
	}
	return worlds
}

func makeWorld(t *testing.T, name string, files []simGraphs, poison map[int64]simFault) *simWorld {
	t.Helper()
	w := &simWorld{name: name, input: t.TempDir(), model: t.TempDir(), poison: poison}
	config := `{"format": "graphscore/1", "name": "sum", "in_features": 2, "outputs": ["score"], "layers": [], "output_activation": "none"}`
	for file, content := range map[string][]byte{"config.json": []byte(config), "model.safetensors": jobtest.Weights()} {
		simMust(t, os.WriteFile(filepath.Join(w.model, file), content, 0o666))
	}
	var err error
	w.served, err = local.ReadModel(w.model)
	simMust(t, err)
	for _, f := range files {
		graphs := jobtest.NewGraphs()
		graphs.From, graphs.Group, graphs.Arrow = f.from, f.group, f.arrow
		maps.Copy(graphs.Bad, f.bad)
		path := filepath.Join(w.input, filepath.FromSlash(f.name))
		simMust(t, graphs.WriteFile(path, f.count))
		if f.cut {
			info, err := os.Stat(path)
			simMust(t, err)
			simMust(t, os.Truncate(path, info.Size()-9))
			continue
		}
		w.rows += int64(f.count)
	}
	return w
}

func simMust(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// config is a run in the world with an output: a shard a row group, and a few graphs a request.
func (w *simWorld) config(out string) Config {
	job := jobs.Job{
		Path: "job.yaml", Input: jobs.Input{Path: jobs.Paths{{Path: w.input}}, ShardBytes: 1},
		Output: jobs.Output{Path: out}, Model: jobs.Model{Path: w.model},
		Limits: jobs.Limits{RequestBytes: 150, Deadline: jobs.Duration(simDeadline), RetryBudget: jobs.Duration(simBudget)},
	}.WithDefaults()
	return Config{Job: &job, Now: time.Now, Start: time.Now(), ID: NewID(time.Now()), Log: slog.New(slog.DiscardHandler)}
}

// undisturbed makes the output that every schedule has to come to, and compares its scores with the input.
func (w *simWorld) undisturbed(t *testing.T) {
	t.Helper()
	out := t.TempDir()
	p := &simProcess{world: w, out: out, workers: 2, slots: 2}
	p.run(t.Context())
	if p.err != nil {
		w.code = ExitCode(p.err)
	}
	if w.code != p.code || w.code != 0 && w.code != 3 {
		t.Fatalf("%s: undisturbed: %v (%d)", w.name, p.err, p.code)
	}
	files, fault := simOutput(out)
	if fault != "" {
		t.Fatalf("%s: undisturbed: %s", w.name, fault)
	}
	w.files = files.named
	w.verify(t, out)
	if c := p.ended.Record.Counts; c.RowsIn != w.rows || c.Scored+c.Quarantined != w.rows || files.succeeded != w.succeeds() {
		t.Fatalf("%s: undisturbed: %+v, succeeded %v", w.name, c, files.succeeded)
	}
}

// succeeds reports whether the world has its _SUCCESS once all is done.
func (w *simWorld) succeeds() bool { return w.name != "a damaged file" }

// verify compares the parts with what the graphs of the world have as scores: each graph is in one place, once.
func (w *simWorld) verify(t *testing.T, out string) {
	t.Helper()
	seen := map[int64]int{}
	for name, content := range w.files {
		if !part.IsName(name) {
			for line := range strings.Lines(content) {
				seen[simID(t, line)]++
			}
			continue
		}
		var rows bytes.Buffer
		simMust(t, jobtest.PrintRows(t.Context(), &rows, filepath.Join(out, filepath.FromSlash(name))))
		last := int64(-1)
		for _, line := range strings.Split(strings.TrimSpace(rows.String()), "\n")[1:] { // after the columns
			var id, node int64
			var score float64
			if _, err := fmt.Sscan(line, &id, &node, &score); err != nil {
				t.Fatal(line, err)
			}
			if id != last {
				seen[id]++
			}
			last = id
			if score != float64(2*id+node) {
				t.Errorf("%s: graph %d, node %d has the score %v", w.name, id, node, score)
			}
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s: graph %d is there %d times", w.name, id, n)
		}
	}
	if int64(len(seen)) != w.rows {
		t.Errorf("%s: %d graphs, not %d", w.name, len(seen), w.rows)
	}
}

// simID is the id of the graph in a line of a quarantine file.
func simID(t *testing.T, line string) (id int64) {
	t.Helper()
	_, rest, found := strings.Cut(line, `"graph_id":`)
	if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%d", &id); !found || err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return id
}

// simTree is what an output shows to those who read it.
type simTree struct {
	named     map[string]string // parts and quarantine files
	temps     []string
	tasks     []string // records of shards
	succeeded bool
}

// simOutput reads an output. fault is a record that is not whole, or a file that nothing is known of.
func simOutput(out string) (tree simTree, fault string) {
	tree.named = map[string]string{}
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(out, path)
		name := filepath.ToSlash(rel)
		switch {
		case err != nil:
		case atomic.IsTemp(name):
			tree.temps = append(tree.temps, name)
		case name == writers.SuccessName:
			tree.succeeded = true
		case strings.HasPrefix(name, record.TaskDir+"/"):
			tree.tasks = append(tree.tasks, name)
			task, is := record.ParseTask(strings.TrimSuffix(filepath.Base(name), record.TaskSuffix))
			if _, err = record.ReadTask(out, task); !is || err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
		case strings.HasPrefix(name, record.Dir+"/"):
			_, err = record.Read(path)
		case strings.HasPrefix(name, "_lock"):
		case part.IsName(name), strings.HasPrefix(name, part.QuarantineDir+"/"):
			var content []byte
			content, err = os.ReadFile(path)
			tree.named[name] = string(content)
		default:
			err = fmt.Errorf("%s: what is that?", name)
		}
		return err
	})
	if err != nil {
		return tree, err.Error()
	}
	return tree, ""
}

// differs says in what the files of an output that others read differ from those of the world: what is there is right, and
// where all is there nothing is missing.
func (w *simWorld) differs(tree *simTree, all bool) string {
	for _, name := range slices.Sorted(maps.Keys(tree.named)) {
		want, planned := w.files[name]
		switch {
		case !planned:
			return name + " is not in an undisturbed output"
		case want != tree.named[name] && !part.IsName(name):
			return fmt.Sprintf("%s is\n%snot\n%s", name, tree.named[name], want)
		case want != tree.named[name]:
			return fmt.Sprintf("%s has %d other bytes, not the %d of an undisturbed output", name, len(tree.named[name]), len(want))
		}
		if q := part.QuarantineName(name); w.files[q] != "" && tree.named[q] == "" && part.IsName(name) {
			return name + " is there without its quarantine file"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		if _, is := tree.named[name]; !is && (all || tree.succeeded) {
			return name + " is missing"
		}
	}
	if tree.succeeded && !w.succeeds() {
		return "_SUCCESS is there, though a file could not be read"
	}
	return ""
}
