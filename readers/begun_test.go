package readers_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// giantFeatures is the number of features of a node in testdata/giants.
const giantFeatures = 16

// begunCopy is a plan of a copy of a file, read in many batches.
func begunCopy(t *testing.T, name string) (p *readers.Plan, path string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "good", name))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return newPlan(t, readers.Config{BatchBytes: 400}, path), path
}

// restOf reads a source to its end.
func restOf(t *testing.T, src *readers.Source) (all contents) {
	t.Helper()
	for b := range batches(t, src) {
		all.graphs, all.rejected = append(all.graphs, plainOf(b)...), append(all.rejected, b.Rejected...)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// begunCase is what happens to a shard that was looked at before it is read.
type begunCase struct {
	change func(t *testing.T, p *readers.Plan, path string)
	width  int    // that is wanted in the end
	again  bool   // the batch that was looked at is read again
	says   string // of the error of Open
}

// begunCases are the cases by their names.
func begunCases() map[string]begunCase {
	const written = "it was written to while this run read it"
	change := func(with func(path string) error) func(*testing.T, *readers.Plan, string) {
		return func(t *testing.T, _ *readers.Plan, path string) {
			if err := with(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	return map[string]begunCase{
		"nothing": {width: 3},
		"kinds of ids": {width: 3, again: true, change: func(_ *testing.T, p *readers.Plan, _ string) {
			p.Widen(graph.String, graph.String)
		}},
		"another width": {width: 2, again: true},
		"touched": {width: 3, again: true, change: change(func(path string) error {
			return os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))
		})},
		"other content": {width: 3, says: written, change: change(func(path string) error {
			return os.WriteFile(path, []byte("other"), 0o600)
		})},
		"replaced": {width: 3, says: written, change: change(func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("other"), 0o600), os.Rename(path+".new", path))
		})},
		"removed": {width: 3, says: "no such file", change: change(os.Remove)},
	}
}

// TestBegunGoesOn: a shard that was looked at is read from its first graph on, whatever changed meanwhile.
func TestBegunGoesOn(t *testing.T) {
	t.Parallel()
	for name, test := range begunCases() {
		for _, file := range []string{"float64_int32.parquet", "features_int8.arrow"} {
			t.Run(name+" "+filepath.Ext(file), func(t *testing.T) {
				t.Parallel()
				test.goesOn(t, file)
			})
		}
	}
}

func (c begunCase) goesOn(t *testing.T, file string) {
	p, path := begunCopy(t, file)
	shard := &p.Shards[0]
	begun, err := p.Begin(t.Context(), shard, wanted(3))
	if err != nil {
		t.Fatal(err)
	}
	first := begun.First()
	if !begun.Of(shard) || begun.Of(&readers.Shard{}) || first.Graphs() == 0 || first.Graphs() == int(p.Rows) || begun.Giant() {
		t.Fatalf("it begins with %d graphs of %d", first.Graphs(), p.Rows)
	}
	if c.change != nil {
		c.change(t, p, path)
	}
	src, err := begun.Open(t.Context(), wanted(c.width))
	if begun.Of(shard) || begun.First() != nil {
		t.Error("it is held after it was opened")
	}
	begun.Close()
	if c.says != "" {
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := src.Next(t.Context())
	if err != nil || (b == first) == c.again {
		t.Fatalf("the batch is the same: %v, %v", b == first, err)
	}
	got := contents{graphs: plainOf(b), rejected: b.Rejected}
	rest := restOf(t, src)
	got.graphs, got.rejected = append(got.graphs, rest.graphs...), append(got.rejected, rest.rejected...)
	want, err := readAll(t.Context(), p, c.width)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it is read otherwise: %v", err)
	}
}

// TestBegunEnds: an error of the context ends it, and nothing is left open.
func TestBegunEnds(t *testing.T) {
	t.Parallel()
	p, _ := begunCopy(t, "v1_zstd.parquet")
	ctx, cancel := context.WithCancel(t.Context())
	begun, err := p.Begin(ctx, &p.Shards[0], wanted(3))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := begun.Open(ctx, wanted(3)); !errors.Is(err, context.Canceled) || begun.First() != nil {
		t.Errorf("%v", err)
	}
	if begun, err := p.Begin(ctx, &p.Shards[0], wanted(3)); !errors.Is(err, context.Canceled) || begun != nil {
		t.Errorf("%v", err)
	}
	begun, err = p.Begin(t.Context(), &p.Shards[0], wanted(3))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	src, err := begun.Open(ctx, wanted(3))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := src.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	(*readers.Begun)(nil).Close()
}

// TestBegunGiantIsAnnounced: a giant that is held is announced before it is returned.
func TestBegunGiantIsAnnounced(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"giants.parquet", "dictionary.parquet", "packed.parquet"} {
		p := newPlan(t, readers.Config{}, filepath.Join("testdata", "giants", name))
		w := wanted(giantFeatures)
		begun, err := p.Begin(t.Context(), &p.Shards[0], w)
		if err != nil {
			t.Fatal(err)
		}
		if !begun.Giant() {
			t.Errorf("%s: the page of a giant is held and not told", name)
		}
		src, err := begun.Open(t.Context(), w)
		if err != nil {
			t.Fatal(err)
		}
		full := errors.New("full")
		src.Announce(func() error { return full })
		if _, err := src.Next(t.Context()); !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
		told := 0
		src.Announce(func() error { told++; return nil })
		if b, err := src.Next(t.Context()); err != nil || told != 1 || !src.Announced() {
			t.Errorf("%s: %d graphs, announced %d times, still %v, %v", name, b.Graphs(), told, src.Announced(), err)
		}
		found := 0
		for b := range batches(t, src) {
			found += b.Graphs()
		}
		if found == 0 || src.Announced() {
			t.Errorf("%s: %d graphs, still announced %v", name, found, src.Announced())
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}
