//go:build faults

package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
)

// plain is a trial of an input of its own.
func plain(t *testing.T) *trial {
	t.Helper()
	return &trial{t: t, folder: t.TempDir(), want: map[string]int{}}
}

// codes counts the lines of quarantine files by code.
func (c *trial) codes(output string) map[string]int {
	c.t.Helper()
	files, err := read(c.path(output))
	if err != nil {
		c.t.Fatal(err)
	}
	found := map[string]int{}
	for name, content := range files {
		if kindOf(name) != quarantine {
			continue
		}
		for line := range strings.Lines(content) {
			_, after, _ := strings.Cut(line, `"code":"`)
			code, _, _ := strings.Cut(after, `"`)
			found[code]++
		}
	}
	return found
}

// scored is how many graphs the record of the only run into an output has.
func (c *trial) scored(output string) int64 {
	c.t.Helper()
	names := must(filepath.Glob(c.path(output, "_runs", "*.json")))
	if len(names) != 1 {
		c.t.Fatalf("records %v", names)
	}
	var record struct{ Counts struct{ Scored int64 } }
	if err := json.Unmarshal(must(os.ReadFile(names[0])), &record); err != nil {
		c.t.Fatal(err)
	}
	return record.Counts.Scored
}

// Broken graphs go to quarantine, each with its code.
func TestBrokenGraphs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ number, bad, how, code string }{
		{"17", "nan", "a feature that is NaN", "non_finite_feature"},
		{"17", "inf", "a feature that is -Inf", "non_finite_feature"},
		{"17", "null", "a column that is null", "null_value"},
		{"17", "width", "features of another width", "feature_width"},
		{"17", "count", "another number of nodes than of features", "node_count"},
		{"18", "edge", "an edge that names no node", "edge_out_of_range"},
		{"18", "negative", "an edge from and to node -1", "edge_out_of_range"},
		{"19", "twice", "a node id that occurs twice", "duplicate_node_id"},
	} {
		t.Run(test.bad, func(t *testing.T) {
			t.Parallel()
			c, g := plain(t), jobtest.NewGraphs()
			g.Names, g.Bad = true, map[int]string{0: test.bad, 50: test.bad, 99: test.bad}
			if err := g.WriteFile(c.path("in/a.parquet"), 100); err != nil {
				t.Fatal(err)
			}
			for i := range 100 {
				c.want[fmt.Sprint(i)] = 1
			}
			c.run(exit.Partly, c.job(behaved(t), ""), "out")
			if got := c.codes("out"); len(got) != 1 || got[test.code] != 3 {
				t.Errorf("quarantine has %v", got)
			}
			faulttest.Report(t, faulttest.Row{Case: test.number, How: test.how, Outcome: "3, in quarantine as " + test.code, Times: 3, Tally: c.count("out")})
		})
	}
}

// Graphs over the message limit never leave; the same id in two files is two graphs; a file of no rows is a part.
func TestUnusualGraphs(t *testing.T) {
	t.Parallel()
	t.Run("too large", func(t *testing.T) {
		t.Parallel()
		c, g := plain(t), jobtest.NewGraphs()
		g.Width = 5000 // a node is 20 kB: graphs of four nodes are over the limit
		if err := g.WriteFile(c.path("in/a.parquet"), 90); err != nil {
			t.Fatal(err)
		}
		for i := range 90 {
			c.want[fmt.Sprint(i)] = 1
		}
		n := remotetest.NewNative(5000, "score")
		c.run(exit.Partly, c.job(remotetest.Serve(t, serving(n)), "limits: {message_bytes: 64KiB}\n"), "out")
		if got := c.codes("out"); len(got) != 1 || got["too_large"] != 30 {
			t.Errorf("quarantine has %v", got)
		}
		if err := has(must(read(c.path("out")))["_quarantine/a.parquet.jsonl"], " bytes in a message, the limit is 65280"); err != nil {
			t.Error(err)
		}
		faulttest.Report(t, faulttest.Row{Case: "20", How: "graphs of 80 kB, a message limit of 64 KiB",
			Outcome: "3, in quarantine as too_large, with both numbers", Times: 30, Tally: c.count("out")})
	})
	t.Run("same id", func(t *testing.T) {
		t.Parallel()
		c := plain(t)
		c.write("in/a.parquet", 0, 50, nil)
		c.write("in/b.parquet", 0, 50, nil)
		c.run(exit.Done, c.job(behaved(t), ""), "out")
		faulttest.Report(t, faulttest.Row{Case: "19", How: "the same graph ids in two files", Outcome: "0, both, each in its part", Times: 50, Tally: c.count("out")})
	})
	t.Run("no rows", func(t *testing.T) {
		t.Parallel()
		c := plain(t)
		c.write("in/a.parquet", 0, 50, nil)
		c.write("in/b.parquet", 0, 0, nil)
		c.run(exit.Done, c.job(behaved(t), ""), "out")
		files, err := read(c.path("out"))
		if _, is := files["b.parquet"]; !is || err != nil {
			t.Errorf("no part of the empty file: %v", err)
		}
		faulttest.Report(t, faulttest.Row{Case: "21", How: "a file of no rows", Outcome: "0, a part of no rows", Times: 1, Tally: c.count("out")})
	})
	t.Run("no files", func(t *testing.T) {
		t.Parallel()
		c := plain(t)
		if err := os.Mkdir(c.path("in"), 0o777); err != nil {
			t.Fatal(err)
		}
		c.run(exit.NotThere, c.job(behaved(t), ""), "out")
		job := c.path("optional.yaml")
		if err := os.WriteFile(job, []byte("input: {path: in, optional: true}\nserver: {addresses: [\"127.0.0.1:1\"]}\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		c.run(exit.Done, job, "out")
		faulttest.Report(t, faulttest.Row{Case: "21", How: "a folder of no files; the same with input.optional", Outcome: "66; 0", Times: 2})
	})
}

// Graphs that are unusual, and not broken: they are scored.
func TestGraphsThatAreUnusual(t *testing.T) {
	t.Parallel()
	for bad, unusual := range map[string]struct{ how, outcome string }{
		"loop":  {"an edge from a node to itself", "0, scored: a layer says what it means to it"},
		"again": {"an edge that is given twice", "0, scored: it counts twice"},
		"empty": {"graphs of no nodes", "0, counted as scored, no row"},
	} {
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			c, g, empty := plain(t), jobtest.NewGraphs(), 0
			g.Bad = map[int]string{0: bad, 20: bad, 49: bad}
			if err := g.WriteFile(c.path("in/a.parquet"), 50); err != nil {
				t.Fatal(err)
			}
			row := faulttest.Row{Case: "18", How: unusual.how, Outcome: unusual.outcome, Times: 3}
			if bad == "empty" {
				row.Case, empty = "21", 3
			}
			for i := range 50 {
				if bad != "empty" || g.Bad[i] == "" {
					c.want[fmt.Sprint(i)] = 1
				}
			}
			c.run(exit.Done, c.job(behaved(t), ""), "out")
			if got := c.scored("out"); got != 50 || len(c.codes("out")) > 0 {
				t.Errorf("%d graphs are scored, quarantine has %v", got, c.codes("out"))
			}
			row.Tally = c.count("out")
			row.Graphs += empty // that have no row to be counted by: the record counts them
			faulttest.Report(t, row)
		})
	}
}

// A graph that is larger than a message may be by default.
func TestGiantGraph(t *testing.T) {
	t.Parallel()
	c, g := plain(t), jobtest.NewGraphs()
	g.Width = 12_500_000 // of two nodes
	if err := g.WriteFile(c.path("in/a.parquet"), 1); err != nil {
		t.Fatal(err)
	}
	c.want["0"] = 1
	n := remotetest.NewNative(g.Width, "score")
	c.run(exit.Partly, c.job(remotetest.Serve(t, serving(n)), ""), "out")
	if err := has(must(read(c.path("out")))["_quarantine/a.parquet.jsonl"], `"code":"too_large"`, "it takes 1000000", "the limit is 67"); err != nil {
		t.Error(err)
	}
	if n.Calls() > 0 {
		t.Error("it was sent")
	}
	faulttest.Report(t, faulttest.Row{Case: "20", How: "a graph of 100 MB, the default limit of 64 MiB",
		Outcome: "3, in quarantine as too_large, with both numbers", Times: 1, Tally: c.count("out")})
}

// Damaged files among others: refused by name, the others are done. Mended, they are done as well.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for name, damage := range map[string]func([]byte) []byte{
		"cut in the middle":        func(b []byte) []byte { return b[:len(b)/2] },
		"no bytes":                 func([]byte) []byte { return nil },
		"another format":           func([]byte) []byte { return []byte("This is a letter and no table.") },
		"a footer that is no such": func(b []byte) []byte { copy(b[len(b)-200:], bytes.Repeat([]byte{0xff}, 150)); return b },
		"the head of a page flipped": func(b []byte) []byte {
			for i := 4; i < 24; i++ {
				b[i] ^= 0xff
			}
			return b
		},
		"zeros for pages": func(b []byte) []byte { clear(b[100 : len(b)/2]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := c.copied(t)
			whole, err := os.ReadFile(c.path("in/b.parquet"))
			if err != nil {
				t.Fatal(err)
			}
			c.put("in/b.parquet", damage(bytes.Clone(whole)))
			said := c.run(exit.Partly, c.job(behaved(t), ""), "out")
			if err := has(said, "in/b.parquet"); err != nil {
				t.Error(err)
			}
			c.put("in/b.parquet", whole)
			c.run(exit.Partly, c.job(behaved(t), ""), "out")
			faulttest.Report(t, faulttest.Row{Case: "15", How: "one file of three: " + name, Outcome: "3, the file named, the others done; mended, the same bytes", Times: 1, Tally: c.whole("out")})
		})
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		c := plain(t)
		c.put("in/a.parquet", []byte("a letter"))
		said := c.run(exit.NoInput, c.job("127.0.0.1:1", ""), "out")
		if err := has(said, "in/a.parquet"); err != nil {
			t.Error(err)
		}
		faulttest.Report(t, faulttest.Row{Case: "15", How: "the only file is no table, and no server is there", Outcome: "65 before any call, the file named", Times: 1})
	})
}

// copied is the trial with an input of its own, which may be changed.
func (c *trial) copied(t *testing.T) *trial {
	t.Helper()
	own := &trial{t: t, folder: t.TempDir(), want: c.want, same: c.same}
	if err := os.CopyFS(own.path("in"), os.DirFS(c.path("in"))); err != nil {
		t.Fatal(err)
	}
	return own
}

// put writes a file.
func (c *trial) put(name string, content []byte) {
	c.t.Helper()
	path := c.path(name)
	if err := os.MkdirAll(path[:strings.LastIndex(path, "/")], 0o777); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		c.t.Fatal(err)
	}
}

// The input changes between two runs: refused by name, nothing is touched; --rescore does that shard again.
func TestInputChanges(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for _, test := range []struct {
		number, name, how, fingerprint string
		change                         func([]byte) []byte
	}{
		{"16", "a byte", "one byte of a page is flipped and mtime put back, fingerprint full", "full", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"24", "another file", "rewritten with other graphs and mtime put back, fingerprint fast", "fast", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := c.copied(t)
			job := c.job(behaved(t), "")
			c.put("job.yaml", []byte(strings.Replace(string(must(os.ReadFile(job))), "path: in", "path: in, fingerprint: "+test.fingerprint, 1)))
			c.run(exit.Partly, job, "out")
			before, err := read(c.path("out"))
			if err != nil {
				t.Fatal(err)
			}
			path := c.path("in/b.parquet")
			was, content := must(os.Stat(path)), must(os.ReadFile(path))
			change := test.change
			if change == nil {
				change = func([]byte) []byte {
					c.rewrite("in/b.parquet", perFile, perFile, map[int]string{5: "nan"})
					return must(os.ReadFile(path))
				}
			}
			changed := change(bytes.Clone(content))
			c.put("in/b.parquet", changed)
			if err := os.Chtimes(path, was.ModTime(), was.ModTime()); err != nil {
				t.Fatal(err)
			}
			said := c.run(exit.Config, job, "out")
			if err := has(said, "b.parquet"); err != nil {
				t.Error(err)
			}
			after, err := read(c.path("out"))
			if err != nil {
				t.Fatal(err)
			}
			if other := differences(after.lasting(), before.lasting()); other != "" {
				t.Errorf("touched: %s", other)
			}
			if test.change == nil {
				c.run(exit.Partly, job, "out", "--rescore")
			}
			tally := c.count("out")
			c.put("in/b.parquet", content)
			c.run(exit.Partly, job, "out", "--rescore")
			tally.Add(c.count("out"))
			faulttest.Report(t, faulttest.Row{Case: test.number, How: test.how, Outcome: "78, the file named, nothing touched; with --rescore each graph once", Times: 1, Tally: tally})
		})
	}
}

// Paths that lead out, or to what is no file.
func TestHostilePaths(t *testing.T) {
	t.Parallel()
	c := newTrial(t).copied(t)
	secret := plain(t)
	secret.write("secret.parquet", 0, 5, nil)
	c.link("in/out.parquet", secret.path("secret.parquet"))
	c.link("in/loop.parquet", "loop.parquet")
	c.link("in/zero.parquet", "/dev/zero")
	if err := syscall.Mkfifo(c.path("in/pipe.parquet"), 0o666); err != nil {
		t.Fatal(err)
	}
	line := "in/two\nlines.parquet"
	c.put(line, must(os.ReadFile(secret.path("secret.parquet"))))
	said := c.run(exit.Partly, c.job(behaved(t), ""), "out")
	if err := has(said, "out.parquet", "loop.parquet", "zero.parquet", "pipe.parquet", `two\nlines.parquet`); err != nil {
		t.Error(err)
	}
	tally := c.count("out")
	for _, name := range []string{"out.parquet", "loop.parquet", "zero.parquet", "pipe.parquet", "two\nlines.parquet"} {
		if err := os.Remove(c.path("in", name)); err != nil {
			t.Fatal(err)
		}
	}
	c.run(exit.Partly, c.job(behaved(t), ""), "out")
	tally.Add(c.whole("out"))
	faulttest.Report(t, faulttest.Row{Case: "27", How: "below the input: a link that leads out, one to itself, one to /dev/zero, a FIFO, a name with a newline",
		Outcome: "3, each refused by name, the others done; without them the same bytes", Times: 5, Tally: tally})
}

// Paths in a job file and on the command line. Each is refused by name before any call; what is named outside is as before.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	c := plain(t)
	c.write("in/a.parquet", 0, 5, nil)
	c.write("secret/b.parquet", 0, 5, nil)
	if err := syscall.Mkfifo(c.path("pipe.parquet"), 0o666); err != nil {
		t.Fatal(err)
	}
	before, long := must(read(c.path("secret"))), strings.Repeat("y", 4096)
	tests := []struct {
		input, named string
		code         int
		flags        []string
	}{
		{`path: in, require: ../secret/b.parquet`, "../secret/b.parquet", exit.Config, nil},
		{`path: in, require: ` + c.path("secret/b.parquet"), "secret/b.parquet", exit.Config, nil},
		{`path: "in/*/../../../secret/*.parquet"`, "secret/*.parquet", exit.NotThere, nil},
		{`path: ` + long, "yyyy", exit.Config, nil},
		{`path: "in/a\nb.parquet"`, `a\nb.parquet`, exit.NotThere, nil},
		{`path: "in/a\0b.parquet"`, `a\x00b.parquet`, exit.NotThere, nil},
		{`path: /dev/zero`, "/dev/zero", exit.NoInput, nil},
		{`path: pipe.parquet`, "pipe.parquet", exit.NoInput, nil},
		{`path: "in/{date}"`, "../../secret", exit.Usage, []string{"--date", "../../secret"}},
		{`path: "in/{date}"`, c.path("secret"), exit.Usage, []string{"--date", c.path("secret")}},
		{`path: in`, "yyyy", exit.CannotCreate, []string{"--output", c.path(long)}},
	}
	for _, test := range tests {
		c.put("job.yaml", fmt.Appendf(nil, "input: {%s}\nserver: {addresses: [\"127.0.0.1:1\"]}\n", test.input))
		said, code := c.ends(c.path("job.yaml"), "out", test.flags...)
		if err := has(strings.ReplaceAll(said, `\\`, `\`), test.named); err != nil || code != test.code {
			t.Errorf("%s %v: exit code %d, expected %d: %v\n%s", test.input, test.flags, code, test.code, err, said)
		}
	}
	if other := differences(must(read(c.path("secret"))), before); other != "" {
		t.Errorf("touched: %s", other)
	}
	faulttest.Report(t, faulttest.Row{Case: "27", How: "in a job file and flags: `../` and absolute names where one of a folder is asked for, as a date, and in a glob; a name of 4 kB, with a newline, with a NUL; /dev/zero; a FIFO",
		Outcome: "64, 65, 66, 73 or 78 before any call, each named, nothing outside touched", Times: len(tests)})
}

// What may not be created or read, as another user than root, whom modes do not stop.
func TestRightsOfOthers(t *testing.T) {
	t.Parallel()
	c := plain(t)
	c.write("in/a.parquet", 0, 50, nil)
	job := c.job("127.0.0.1:1", "")
	said := c.runAs(exit.CannotCreate, job, "closed/out")
	if err := has(said, c.path("closed")); err != nil {
		t.Error(err)
	}
	faulttest.Report(t, faulttest.Row{Case: "6", How: "an output folder that the user may not write, and no server there", Outcome: "73 before any call, the folder named", Times: 1})
	if err := os.Chmod(c.path("in/a.parquet"), 0); err != nil {
		t.Fatal(err)
	}
	said = c.runAs(exit.NoInput, job, "open/out")
	if err := has(said, "in/a.parquet"); err != nil {
		t.Error(err)
	}
	faulttest.Report(t, faulttest.Row{Case: "6", How: "an input that the user may not read, and no server there", Outcome: "65 before any call, the file named", Times: 1})
}

// must returns a value that has no error. Tests that fail otherwise would say so less plainly.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
