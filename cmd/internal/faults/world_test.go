//go:build faults

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/remote/remotetest"
)

// world is what all cases work with: inputs, and jobs that name the server of this test.
type world struct {
	t      *testing.T
	folder string // without links
	server string
}

// newWorld makes it below /dev/shm where that exists: syncing a disk takes longer than all else, and fails alike.
func newWorld(t *testing.T) *world {
	t.Helper()
	memory := "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	folder, err := os.MkdirTemp(memory, "faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	w := &world{t: t, folder: folder}
	if w.folder, err = filepath.EvalSymlinks(folder); err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	scorer := jobtest.Scorer{Protocol: "native", Width: 2, Outputs: []string{"score"}, Digest: remotetest.Digest}
	if err := scorer.Register(server); err != nil {
		t.Fatal(err)
	}
	w.server = remotetest.Serve(t, server)
	w.inputs()
	return w
}

// file is a file of graphs: the number of the first, how many, and what is wrong with which row.
type file struct {
	name        string
	from, count int
	bad         map[int]string
}

// inputs writes a folder for each state of the input. Graph ids differ in all files of a state.
func (w *world) inputs() {
	a := file{"a.parquet", 0, 6, map[int]string{1: "nan"}} // two shards
	b := file{"d/b.parquet", 20, 3, nil}
	c := file{"e/c.parquet", 40, 3, map[int]string{2: "edge", 0: "null"}}
	b2, c2 := b, c
	b2.bad, c2.bad = map[int]string{1: "nan"}, nil
	w.write("first", a, b, c)
	w.write("changed", a, b2, c2)
	w.write("less", a, b)
	w.write("dated/dt=2026-01-01", b2)
	w.write("dated/dt=2026-01-02", c)
	w.write("redated/dt=2026-01-01", b2)
	w.write("redated/dt=2026-01-02", c2)
	w.job("first", "first, shard_bytes: 1", "")
	w.job("changed", "changed", "")
	w.job("less", "less, shard_bytes: 1", "")
	w.job("dated", "'dated/dt={date}'", "/dt={date}")
	w.job("redated", "'redated/dt={date}'", "/dt={date}")
}

// job writes the file of a job. below is what its output has after the folder of a [command].
func (w *world) job(name, input, below string) {
	w.t.Helper()
	content := fmt.Sprintf("name: faults\ninput: {path: %s}\noutput: {path: 'out%s'}\nserver: {addresses: [%q]}\n", input, below, w.server)
	if err := os.WriteFile(w.path(name+".yaml"), []byte(content), 0o666); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(state string, files ...file) {
	w.t.Helper()
	for _, f := range files {
		g := jobtest.NewGraphs()
		g.From, g.Group = int64(f.from), 3
		if f.bad != nil {
			g.Bad = f.bad
		}
		if err := g.WriteFile(w.path(state, f.name), f.count); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) path(names ...string) string {
	return filepath.Join(append([]string{w.folder}, names...)...)
}

// command is graphscore with a job of the world and an output.
type command struct {
	job   string
	verb  string
	flags []string
}

func (c command) args(w *world, output string) []string {
	if strings.HasSuffix(c.job, "dated") {
		output = filepath.Join(output, "dt={date}")
	}
	return append([]string{c.verb, w.path(c.job + ".yaml"), "--output", output, "--log-format", "json", "--quiet"}, c.flags...)
}

func (c command) String() string {
	return strings.Join(append([]string{c.verb, c.job}, c.flags...), " ")
}
