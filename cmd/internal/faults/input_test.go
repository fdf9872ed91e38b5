//go:build faults

package faults

import (
	"bytes"
	"fmt"
	"os"
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

// Broken graphs go to quarantine, each with its code.
func TestBrokenGraphs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ number, bad, how, code string }{
		{"17", "nan", "a feature that is NaN", "non_finite_feature"},
		{"17", "null", "a column that is null", "null_value"},
		{"17", "width", "features of another width", "feature_width"},
		{"17", "count", "another number of nodes than of features", "node_count"},
		{"18", "edge", "an edge that names no node", "edge_out_of_range"},
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
		faulttest.Report(t, faulttest.Row{Case: "20", How: "graphs of 80 kB, a message limit of 64 KiB",
			Outcome: "3, in quarantine as too_large", Times: 30, Tally: c.count("out")})
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

// Damaged files among others: refused by name, the others are done. Mended, they are done as well.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for name, damage := range map[string]func([]byte) []byte{
		"cut in the middle":        func(b []byte) []byte { return b[:len(b)/2] },
		"no bytes":                 func([]byte) []byte { return nil },
		"another format":           func([]byte) []byte { return []byte("This is a letter and no table.") },
		"a footer that is no such": func(b []byte) []byte { copy(b[len(b)-200:], bytes.Repeat([]byte{0xff}, 150)); return b },
		"zeros for pages":          func(b []byte) []byte { clear(b[100 : len(b)/2]); return b },
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
