package run

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/readers/extract"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// exporting is an input of which graphs 1 and 2 are bad, planned for an export of rows 1, 2 and 4.
func exporting(t *testing.T) (*OutputInput, []heldPart, string) {
	t.Helper()
	dir := t.TempDir()
	graphs := jobtest.NewGraphs()
	graphs.Group, graphs.Bad = 2, map[int]string{1: "nan", 2: "edge"}
	file := filepath.Join(dir, "in", "a.parquet")
	if err := graphs.WriteFile(file, 6); err != nil {
		t.Fatal(err)
	}
	job := jobs.Job{
		Input: jobs.Input{Path: jobs.Paths{{Path: filepath.Dir(file)}}}, Output: jobs.Output{Path: filepath.Join(dir, "out")},
	}.WithDefaults()
	in, err := Config{Job: &job, Start: time.Now(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}.ReadOutputPlan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := in.file("a.parquet")
	footer := part.NewFooter(part.Spec{
		Part: "a.parquet", Input: "a.parquet", Fingerprint: f.Fingerprint, LastGroup: 2, Rows: 6,
	}, part.Settings{FeatureWidth: 2})
	return in, []heldPart{{footer: &footer, groups: []int{0, 1, 2}, rows: []int64{1, 2, 4}}}, dir
}

// copyOf writes rows of the input into a file.
func copyOf(t *testing.T, in *OutputInput, dir string, places ...int64) string {
	t.Helper()
	path := filepath.Join(dir, "copy")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := extract.Write(t.Context(), f, extract.Parquet, []extract.Rows{{File: in.file("a.parquet"), Wanted: Served{}.Wanted(2), Places: places}}); err != nil {
		t.Fatal(err)
	}
	return path
}

// A copy with other graphs than the input, with one more or one less, or that is no file at all, is refused.
func TestSame(t *testing.T) {
	t.Parallel()
	in, held, dir := exporting(t)
	want, err := in.allContents(t.Context(), held)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		places []int64
		wrong  string
	}{
		"the same":      {[]int64{1, 2, 4}, ""},
		"another good":  {[]int64{1, 2, 5}, "row 2 of the copy is another graph"},
		"another bad":   {[]int64{1, 3, 4}, "row 1 of the copy is another graph"},
		"one less":      {[]int64{1, 2}, "it has 2 graphs, and 3 are in quarantine"},
		"one more":      {[]int64{1, 2, 4, 5}, "row 3 of the copy is another graph"},
		"not the first": {[]int64{0, 2, 4}, "row 0 of the copy is another graph"},
	} {
		err := in.same(t.Context(), held, want, copyOf(t, in, dir, test.places...))
		var known *extract.Error
		switch {
		case test.wrong == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.wrong != "" && (!errors.As(err, &known) || !strings.Contains(err.Error(), test.wrong) || ExitCode(err) != 78):
			t.Errorf("%s: %v", name, err)
		}
	}
	letter := filepath.Join(dir, "letter")
	if err := os.WriteFile(letter, []byte("Dear reader"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := in.same(t.Context(), held, want, letter); ExitCode(err) != 78 {
		t.Errorf("a letter: %v", err)
	}
}

// Graphs are the same where all that a scorer gets of them is.
func TestHashOf(t *testing.T) {
	t.Parallel()
	batch := func() *graph.Batch {
		return &graph.Batch{
			IDs: graph.IDs{Ints: []int64{7}}, NodeIDs: &graph.IDs{Ints: []int64{1, 2}}, NodeOffsets: []uint32{0, 2}, EdgeOffsets: []uint32{0, 1},
			Width: 1, Features: []float32{1, 2}, InDegree: []uint32{0, 1}, Sources: []uint32{0}, Weights: []float32{3},
		}
	}
	whole := hashOf(batch(), 0, true)
	for name, change := range map[string]func(*graph.Batch){
		"id": func(b *graph.Batch) { b.IDs.Ints[0] = 8 }, "node id": func(b *graph.Batch) { b.NodeIDs.Ints[1] = 3 },
		"feature": func(b *graph.Batch) { b.Features[1] = 3 }, "target": func(b *graph.Batch) { b.InDegree[0], b.InDegree[1] = 1, 0 },
		"source": func(b *graph.Batch) { b.Sources[0] = 1 }, "weight": func(b *graph.Batch) { b.Weights[0] = 4 },
	} {
		b := batch()
		change(b)
		if hashOf(b, 0, true) == whole {
			t.Errorf("another %s is not noticed", name)
		}
	}
	b := batch()
	b.IDs.Ints[0] = 8
	if hashOf(b, 0, false) != hashOf(batch(), 0, false) {
		t.Error("the id of a graph that has none counts")
	}
	if hashOf(batch(), 0, true) != whole {
		t.Error("the same graph is another")
	}
}

// An input that has fewer rows than were quarantined is another one, whatever its fingerprint.
func TestExportOfRowsThatAreGone(t *testing.T) {
	t.Parallel()
	in, held, _ := exporting(t)
	held[0].rows[2] = 40
	_, err := in.allContents(t.Context(), held)
	var export *ExportError
	if !errors.As(err, &export) || ExitCode(err) != 78 {
		t.Error(err)
	}
	if err := extract.Write(t.Context(), io.Discard, extract.Arrow, nil); err == nil {
		t.Error("a copy of nothing was made")
	}
}

// TestExportOfDamagedPages: what a reader refuses does not reach the library, though the fingerprint is that of the parts.
func TestExportOfDamagedPages(t *testing.T) {
	t.Parallel()
	in, held, _ := exporting(t)
	path := in.file("a.parquet").Path
	damage(t, path, 4, 3)
	_, err := in.allContents(t.Context(), held)
	var refused *readers.FileError
	if !errors.As(err, &refused) || ExitCode(err) != exit.NoInput {
		t.Errorf("%v (%d)", err, ExitCode(err))
	}
}

// damage spoils a file from a place up to so many tenths of it.
func damage(t *testing.T, path string, from, tenths int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := len(content) * tenths / 10
	if to <= from {
		t.Fatalf("it has no more than %d bytes", len(content))
	}
	for i := from; i < to; i++ {
		content[i] = 0xFF
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestExportOverAFile: a file that exists is refused before the graphs are read, and an input that cannot be read leaves none.
func TestExportOverAFile(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "bad", []simGraphs{{name: "a.parquet", from: 100, count: 3000, group: 1000, bad: map[int]string{1: "nan", 2500: "edge"}}}, nil)
	p := &simProcess{world: w, out: t.TempDir(), workers: 1}
	if p.run(t.Context()); p.code != exit.Partly && p.code != exit.Done {
		t.Fatal(p)
	}
	dir := t.TempDir()
	export := func(name string) (int64, error) {
		return w.config(p.out).ExportQuarantined(t.Context(), Export{File: filepath.Join(dir, name)})
	}
	if n, err := export("a.arrow"); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	damage(t, filepath.Join(w.input, "a.parquet"), 64<<10, 9) // which its fingerprint does not see
	var exists *atomic.CreateError
	if _, err := export("a.arrow"); !errors.As(err, &exists) {
		t.Errorf("over a file: %v", err)
	}
	var refused *readers.FileError
	if _, err := export("b.arrow"); !errors.As(err, &refused) {
		t.Errorf("of a damaged file: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
