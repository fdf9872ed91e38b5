//go:build !race

// The race detector allocates, and empties pools at random: what is expected here is not so there.

package readers_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// What the giants of testdata/giants are: see giants.py there. Their features take 8 MB, and their edges as many in the file
// and 2 MB in a batch.
const (
	giants     = 3
	giantNodes = 125_000
	giantWidth = 16
	giantEdges = 512_000
	giantRound = 64 // edge e goes from node e % giantRound to the next
)

// TestGiantsAreHeldOnce counts what is left of a giant while its batch is in use, beside that batch, and what reading it
// allocates. It is not parallel, or others' allocations would count.
func TestGiantsAreHeldOnce(t *testing.T) {
	for _, test := range []struct {
		name string
		path string
		// beside is what is held beside a batch: of Parquet a page, as the next row may have to begin before
		// a row is known to be complete.
		beside uint64
	}{
		{"plain", "testdata/giants/giants.parquet", giantPage + giantSlack},
		{"dictionary", "testdata/giants/dictionary.parquet", giantPage + giantSlack},
		{"packed", "testdata/giants/packed.parquet", giantPage + giantSlack},
		{"Arrow", giantArrow(t), giantSlack},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: test.path}}})
			if err != nil {
				t.Fatal(err)
			}
			src, err := p.Open(t.Context(), &p.Shards[0], wanted(giantWidth))
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what is left is looked at after a collection of our own
			before := collected()
			first, found := before.HeapAlloc, 0
			for b := range batches(t, src) {
				if b.Nodes() < giantNodes {
					continue
				}
				found++
				checkGiant(t, b)
				after, size := collected(), uint64(b.Bytes())
				held, allocated := after.HeapAlloc-first, after.TotalAlloc-before.TotalAlloc
				t.Logf("a giant of %d bytes: %d allocated, %d held", size, allocated, held)
				if held > size+test.beside {
					t.Errorf("giant %d: %d bytes are held for a batch of %d, at most %d are expected", found, held, size, size+test.beside)
				}
				if allocated > giantCopies*size {
					t.Errorf("giant %d: %d bytes were allocated for a batch of %d, at most %d are expected", found, allocated, size, giantCopies*size)
				}
				runtime.KeepAlive(b)
				before = collected()
			}
			if found != giants {
				t.Errorf("%d giants were read", found)
			}
		})
	}
}

const (
	// giantSlack is what windows, decompressors and scratch take beside a giant.
	giantSlack = 6 << 20
	// giantPage is the page with the features of a giant.
	giantPage = 4 * giantNodes * giantWidth
	// giantCopies is how many times the bytes of a giant are allocated at most: the first one is read into memory that
	// grows, and the edges of a file take four times those of a batch.
	giantCopies = 8
)

// giantArrow writes the graphs of giants.py as an Arrow stream.
func giantArrow(t *testing.T) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "node_feat", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32))},
		{Name: "edge_index", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	matrix, both := b.Field(0).(*array.ListBuilder), b.Field(1).(*array.ListBuilder)
	rows, sides := matrix.ValueBuilder().(*array.ListBuilder), both.ValueBuilder().(*array.ListBuilder)
	values, ends := rows.ValueBuilder().(*array.Float32Builder), sides.ValueBuilder().(*array.Int64Builder)
	for row, size := range [][2]int{{3, 4}, {giantNodes, giantEdges}, {giantNodes, giantEdges}, {giantNodes, giantEdges}, {3, 4}} {
		matrix.Append(true)
		for n := range size[0] {
			rows.Append(true)
			for i := range giantWidth {
				values.Append(float32((n+i)%64 + row))
			}
		}
		both.Append(true)
		for side := range 2 {
			sides.Append(true)
			for e := range size[1] {
				ends.Append(int64(e%min(size[0]-2, giantRound) + side))
			}
		}
	}
	path := filepath.Join(t.TempDir(), "giants.arrow")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := ipc.NewWriter(f, ipc.WithSchema(schema))
	if err := errors.Join(w.Write(b.NewRecord()), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGiantsAreAnnounced: a source says of each giant that it reads one, and ends with the error of who was told.
func TestGiantsAreAnnounced(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"plain": "testdata/giants/giants.parquet", "dictionary": "testdata/giants/dictionary.parquet",
		"packed": "testdata/giants/packed.parquet", "Arrow": giantArrow(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: path}}})
			if err != nil {
				t.Fatal(err)
			}
			src, err := p.Open(t.Context(), &p.Shards[0], wanted(giantWidth))
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			announced, found := false, 0
			src.Announce(func() error { announced = true; return nil })
			for b := range batches(t, src) {
				if b.Nodes() >= giantNodes {
					if found++; !announced {
						t.Errorf("giant %d was not announced", found)
					}
				}
				announced = src.Announced()
			}
			if found != giants || src.Announced() {
				t.Errorf("%d giants were read, and another is announced: %v", found, src.Announced())
			}
			again, err := p.Open(t.Context(), &p.Shards[0], wanted(giantWidth))
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			again.Announce(func() error { return context.Canceled })
			for err == nil {
				_, err = again.Next(t.Context())
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it ends with %v", err)
			}
		})
	}
}

func collected() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// checkGiant compares some of what is in a batch with what was written.
func checkGiant(t *testing.T, b *graph.Batch) {
	t.Helper()
	g := -1
	for i := range b.Graphs() {
		if b.GraphNodes(i) == giantNodes {
			g = i
		}
	}
	if g < 0 || b.GraphEdges(g) != giantEdges {
		t.Fatalf("the batch has graphs %v and edges %v", b.NodeOffsets, b.EdgeOffsets)
	}
	from, _ := b.NodeRange(g)
	for n := range giantNodes {
		for i := range giantWidth {
			if got, want := b.Features[(from+n)*giantWidth+i], float32((n+i)%64+int(b.Rows[g])); got != want {
				t.Fatalf("feature %d of node %d is %v, expected %v", i, n, got, want)
			}
		}
		want := uint32(0)
		if n > 0 && n <= giantRound {
			want = giantEdges / giantRound
		}
		if got := b.InDegree[from+n]; got != want {
			t.Fatalf("node %d has %d edges, expected %d", n, got, want)
		}
	}
	for e, source := range b.Sources[b.EdgeOffsets[g]-b.EdgeOffsets[0] : b.EdgeOffsets[g+1]-b.EdgeOffsets[0]] {
		if want := e / (giantEdges / giantRound); int(source-b.NodeOffsets[g]) != want {
			t.Fatalf("edge %d comes from node %d, expected %d", e, source-b.NodeOffsets[g], want)
		}
	}
}
