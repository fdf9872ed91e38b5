package readers_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/readers"
)

const good = "v1_zstd.parquet" // what the trees of these tests hold

// link makes links below root: name -> target.
func link(t *testing.T, root string, links map[string]string) {
	t.Helper()
	for name, target := range links {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
}

func refusals(p *readers.Plan) []string {
	var names []string
	for _, e := range p.Refused {
		names = append(names, filepath.Base(e.Path))
	}
	return names
}

// TestFoldersThatGlobsMatch: what is in a folder that matches is read, and what is below it.
func TestFoldersThatGlobsMatch(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"mixed/day0.parquet": good, "mixed/day1.parquet/part-0.parquet": good, "mixed/day1.parquet/_SUCCESS": ":",
		"mixed/day2.parquet/deep/k=1/part-0": good, "mixed/day2.parquet/notes.txt": ":text", "mixed/other/x.parquet": good,
		"in[1]/a/x.parquet": good, "in1/a/y.parquet": good,
	})
	tests := []struct {
		name, path string
		parts      []string
	}{
		{"names", "mixed/*.parquet", []string{"day0.parquet", "day1.parquet/part-0.parquet", "day2.parquet/deep/k=1/part-0.parquet"}},
		{"braces", "{mixed/day2.parquet,mixed/other}", []string{"mixed/day2.parquet/deep/k=1/part-0.parquet", "mixed/other/x.parquet"}},
		{"below any folder", "**/other", []string{"mixed/other/x.parquet"}},
		{"everything", "mixed/other/**", []string{"x.parquet"}},
		{"a folder named with brackets", "in[1]", []string{"a/x.parquet"}},
		{"a glob below a folder named with brackets", "in[1]/*/*.parquet", []string{"a/x.parquet"}},
		{"brackets as a class", "in[12]/*/*.parquet", []string{"in1/a/y.parquet"}},
		{"escaped brackets", `in\[1\]/*/x*`, []string{"a/x.parquet"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, readers.Config{}, filepath.Join(root, tt.path))
			if diff := cmp.Diff(tt.parts, parts(p)); diff != "" || len(p.Refused) > 0 {
				t.Errorf("refused %v, parts (-want +got):\n%s", p.Refused, diff)
			}
		})
	}
}

// TestHiddenNames: names with _ or . are left out and counted, unless they are Hive keys or the pattern has them itself.
func TestHiddenNames(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"a.parquet": good, "_year=2025/b.parquet": good, "_old/c.parquet": good, ".d.parquet": good,
		"_chunk_1.parquet": good, "_chunk_2/e.parquet": good, "_SUCCESS": ":", "note.txt": ":text",
	})
	tests := []struct {
		name, path             string
		parts, underscore, dot []string
	}{
		{"folder", "", []string{"%5Fyear=2025/b.parquet", "a.parquet"}, []string{"_SUCCESS", "_chunk_1.parquet", "_chunk_2", "_old"}, []string{".d.parquet"}},
		{"glob", "*.parquet", []string{"a.parquet"}, []string{"_chunk_1.parquet"}, []string{".d.parquet"}},
		{"glob of any folders", "**/*.parquet", []string{"%5Fyear=2025/b.parquet", "a.parquet"}, []string{"_chunk_1.parquet", "_chunk_2", "_old"}, []string{".d.parquet"}},
		{"glob of names with _", "_chunk_*", []string{"%5Fchunk_1.parquet", "%5Fchunk_2/e.parquet"}, nil, nil},
		{"braces with _", "{_old,a}*", []string{"%5Fold/c.parquet", "a.parquet"}, nil, nil},
		{"class with _", "[_a]*", []string{"%5Fchunk_1.parquet", "%5Fchunk_2/e.parquet", "%5Fold/c.parquet", "%5Fyear=2025/b.parquet", "a.parquet"}, nil, nil},
		{"glob of names with .", ".*.parquet", []string{"%2Ed.parquet"}, nil, nil},
		{"file", ".d.parquet", []string{"%2Ed.parquet"}, nil, nil},
		{"inside a folder with _", "_old", []string{"c.parquet"}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, readers.Config{}, filepath.Join(root, tt.path))
			got := [][]string{parts(p), bases(p.LeftOut.Underscore), bases(p.LeftOut.Dot)}
			if diff := cmp.Diff([][]string{tt.parts, tt.underscore, tt.dot}, got); diff != "" {
				t.Errorf("parts, underscore, dot (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLinkedFolders: a link below a folder and below a glob leads to what is inside the root, and else is refused.
func TestLinkedFolders(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"in/v1/a.parquet": good, "in/.store/b.parquet": good, "in/z.parquet": good, "in/sub/c.parquet": good,
		"out/d.parquet": good, "out/README": ":text", "many/1/x.parquet": good,
	})
	link(t, root, map[string]string{
		"in/current": "v1", "in/hidden": ".store", "in/away": "../out", "in/sub/loop": "..", "in/self": ".",
		"in/twin.parquet": "z.parquet", "in/readme": "../out/README",
	})
	for i := range 12 { // 2^12 ways, were each taken
		link(t, root, map[string]string{"many/1/l" + string(rune('a'+i)): ".."})
	}
	tests := []struct {
		name, path     string
		parts, refused []string
	}{
		{"folder", "in", []string{"hidden/b.parquet", "sub/c.parquet", "v1/a.parquet", "z.parquet"}, []string{"away", "readme"}},
		{"glob", "in/**/*.parquet", []string{"hidden/b.parquet", "sub/c.parquet", "v1/a.parquet", "z.parquet"}, []string{"away"}},
		{"glob that needs the link", "in/cur*/*.parquet", []string{"current/a.parquet"}, nil},
		{"glob through a loop", "in/*/loop/*.parquet", []string{"sub/loop/z.parquet"}, []string{"away"}},
		{"many loops", "many", []string{"1/x.parquet"}, nil},
		{"many loops below a glob", "many/**/*.parquet", []string{"1/x.parquet"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, readers.Config{}, filepath.Join(root, tt.path))
			if diff := cmp.Diff([][]string{tt.parts, tt.refused}, [][]string{parts(p), refusals(p)}); diff != "" {
				t.Errorf("parts, refused (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHuggingFaceCache: a snapshot is links to blobs beside it, whichever of its folders is named.
func TestHuggingFaceCache(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"hub/datasets--m--g/blobs/0a1b": good, "hub/datasets--m--other/blobs/9f": good})
	snapshot := "hub/datasets--m--g/snapshots/abc"
	link(t, root, map[string]string{
		snapshot + "/data/a.parquet":     "../../../blobs/0a1b",
		snapshot + "/data/other.parquet": "../../../../datasets--m--other/blobs/9f",
	})
	for path, part := range map[string]string{
		"": "data/a.parquet", "/data": "a.parquet", "/data/*.parquet": "a.parquet", "/**/*.parquet": "data/a.parquet",
	} {
		p := newPlan(t, readers.Config{}, filepath.Join(root, snapshot)+path)
		if diff := cmp.Diff([][]string{{part}, {"other.parquet"}}, [][]string{parts(p), refusals(p)}); diff != "" {
			t.Errorf("%q: parts, refused (-want +got):\n%s", path, diff)
		}
	}
}

// TestTablesWithLog: what a folder or a glob finds in a table with a log is refused, and what is named is not.
func TestTablesWithLog(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"delta/_delta_log/0.json": ":{}", "delta/_year=1/a.parquet": good, "hudi/.hoodie/hoodie.properties": ":", "hudi/a.parquet": good,
		"ice/metadata/v1.metadata.json": ":{}", "ice/data/k=1/a.parquet": good, "stream/_spark_metadata/0": ":", "stream/a.parquet": good,
		"lake/x/delta/_delta_log/0.json": ":{}", "lake/x/delta/a.parquet": good, "lake/plain/b.parquet": good,
		"plain/metadata/notes.json": ":{}", "plain/data/a.parquet": good,
	})
	link(t, root, map[string]string{"linked": "delta/_year=1", "lake/plain/part": "../x/delta/"})
	for _, path := range []string{
		"delta", "delta/*/*.parquet", "delta/_year=1", "delta/_year=1/*", "hudi", "ice", "ice/data", "ice/data/**/*.parquet", "ice/data/k=1",
		"stream", "lake", "lake/**/*.parquet", "lake/*/*", "linked", "lake/plain*",
	} {
		_, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: filepath.Join(root, path)}}})
		var refused *readers.PlanError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", path, err)
			continue
		}
		checkMessage(t, err, "export a snapshot", "name the files")
	}
	for _, path := range []string{"delta/_year=1/a.parquet", "ice/data/k=1/a.parquet", "plain", "lake/plain/*.parquet"} {
		if p := newPlan(t, readers.Config{}, filepath.Join(root, path)); len(p.Files) != 1 {
			t.Errorf("%s: %v", path, parts(p))
		}
	}
}

// TestWritersAtWork: a folder whose writer has not finished is to be read later, and no file of it is read.
func TestWritersAtWork(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"spark/_temporary/0/x.parquet": good, "spark/a.parquet": good, "below/dt=1/_temporary/x": ":", "below/dt=2/a.parquet": good,
		"staged/.spark-staging-1/k=1/x": ":", "staged/k=2/a.parquet": good, "bricks/_started_1": ":", "bricks/a.parquet": good,
		"bricks2/_started_1": ":", "bricks2/_committed_1": ":", "bricks2/a.parquet": good,
		"ready/_SUCCESS": ":", "ready/k=1/a.parquet": good, "half/day1/_SUCCESS": ":", "half/day1/a.parquet": good, "half/day2/b.parquet": good,
		"begun/.keep": ":", "none/_SUCCESS": ":",
	})
	tests := []struct{ name, path, require, mark string }{
		{"Spark's committer", "spark", "", "_temporary"},
		{"below a glob", "spark/*.parquet", "", "_temporary"},
		{"in a folder below", "below", "", "_temporary"},
		{"staging of a table", "staged", "", ".spark-staging-1"},
		{"staging of the table of a partition", "staged/k=2", "", ".spark-staging-1"},
		{"Databricks", "bricks", "", "_started_1"},
		{"Databricks, committed", "bricks2", "", ""},
		{"other partition", "below/dt=2", "", ""},
		{"no marker is required", "half", "", ""},
		{"required and there", "ready", "_SUCCESS", ""},
		{"required and above a glob", "ready/*/*.parquet", "_SUCCESS", ""},
		{"required and missing", "spark2", "_SUCCESS", "_SUCCESS"},
		{"missing in one folder", "half", "_SUCCESS", "_SUCCESS"},
		{"missing in one folder of a glob", "half/*/*.parquet", "_SUCCESS", "_SUCCESS"},
		{"there in the only folder of a glob", "half/*1/*.parquet", "_SUCCESS", ""},
		{"missing beside a named file", "half/day2/b.parquet", "_SUCCESS", "_SUCCESS"},
		{"nothing in it yet", "begun", "_SUCCESS", "_SUCCESS"},
		{"finished and empty", "none", "_SUCCESS", ""},
	}
	if err := os.Mkdir(filepath.Join(root, "spark2"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := readers.NewPlan(t.Context(), readers.Config{Require: tt.require, Inputs: []readers.Input{{Path: filepath.Join(root, tt.path)}}})
			var later *readers.UnfinishedError
			if tt.mark == "" && err == nil {
				return
			}
			if !errors.As(err, &later) || tt.mark == "" {
				t.Fatalf("got %v", err)
			}
			checkMessage(t, err, tt.mark, "later")
		})
	}
}

// TestUnfinishedNames: of what has the name of an unfinished file nothing is read, and the plan says so.
func TestUnfinishedNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"b.parquet._COPYING_", "b.parquet.crdownload", "Unconfirmed 12.crdownload", "b.parquet.tmp", "b.tmp", "b.PARQUET.PART", "b.parquet.partial",
		"b.parquet.inprogress", ".part-0-1.inprogress.1a-2b", "_part-0-1.in-progress", "b.parquet.filepart", "b.parquet~", "b.parquet.incomplete",
		"b.parquet.download", ".b.parquet.Ab12Cd", "b.parquet.6eF8a1b2", ".b.parquet.tmp", ".syncthing.b.parquet.tmp", "b.parquet.tmp-77", "b.arrow.part",
	} {
		root := tree(t, map[string]string{"a.parquet": good, name: good})
		for path, counted := range map[string]bool{"": true, "*": true, "*.parquet": strings.Contains(name, "b.parquet")} {
			p := newPlan(t, readers.Config{}, filepath.Join(root, path))
			if diff := cmp.Diff([]string{"a.parquet"}, parts(p)); diff != "" || len(p.Refused) > 0 {
				t.Errorf("%s below %q: refused %v, parts (-want +got):\n%s", name, path, p.Refused, diff)
			}
			if counted != (len(p.LeftOut.Unfinished) == 1) {
				t.Errorf("%s below %q: %+v", name, path, p.LeftOut)
			}
		}
		if p := newPlan(t, readers.Config{}, filepath.Join(root, name)); len(p.Files) != 1 {
			t.Errorf("%s is not read where it is named: %v", name, p.Refused)
		}
		if err := os.Remove(filepath.Join(root, "a.parquet")); err != nil {
			t.Fatal(err)
		}
		var later *readers.UnfinishedError
		if _, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: root}}}); !errors.As(err, &later) {
			t.Errorf("%s alone: %v", name, err)
		}
	}
	root := tree(t, map[string]string{
		"a.parquet": good, "notes.txt.tmp": ":text", "notes~": ":text", "_x.parquet.tmp": good, "departed.parquet": good,
		"day.parquet.tmp/x.parquet": good,
	})
	p := newPlan(t, readers.Config{}, root)
	if diff := cmp.Diff([][]string{{"a.parquet", "departed.parquet"}, {"day.parquet.tmp"}}, [][]string{parts(p), bases(p.LeftOut.Unfinished)}); diff != "" {
		t.Errorf("parts, unfinished (-want +got):\n%s", diff)
	}
	p = newPlan(t, readers.Config{}, filepath.Join(root, "*.parquet.tmp"))
	if diff := cmp.Diff([]string{"day.parquet.tmp/x.parquet"}, parts(p)); diff != "" {
		t.Errorf("parts of a pattern that says .tmp itself (-want +got):\n%s", diff)
	}
}

// TestPartsWithoutName: a file whose part cannot be named is refused, and no other.
func TestPartsWithoutName(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{
		"b\nc.parquet": "control character", strings.Repeat("x", 240) + ".parquet": "248 bytes", "\xff.parquet": "UTF-8",
		"_k=" + strings.Repeat("x", 222) + "/b.parquet": "227 bytes",
	} {
		root := tree(t, map[string]string{"a.parquet": good, name: good})
		p := newPlan(t, readers.Config{}, root)
		if diff := cmp.Diff([]string{"a.parquet"}, parts(p)); diff != "" || len(p.Refused) != 1 {
			t.Fatalf("%q: refused %v, parts (-want +got):\n%s", name, p.Refused, diff)
		}
		checkMessage(t, p.Refused[0], word, "rename")
		if !p.Present()[name] {
			t.Errorf("%q is not there", name)
		}
	}
}
