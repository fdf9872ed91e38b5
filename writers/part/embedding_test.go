package part

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/graph"
)

// embeddedPart is the content of a part of graphs of a node each, with an embedding of so many values.
func embeddedPart(t testing.TB, graphs, width int) []byte {
	t.Helper()
	c := Contents{Outputs: []string{"score"}, Settings: Settings{Embed: "h"}, Embedding: width}
	must(t, c.Validate())
	var b buffer
	e, err := NewEncoder(&b, c, Sizes{BlockRows: 16, GroupBytes: 4000})
	must(t, err)
	batch := &graph.Batch{NodeOffsets: []uint32{0}, EdgeOffsets: make([]uint32, graphs+1), InDegree: make([]uint32, graphs)}
	s := &graph.Scores{Outputs: 1, Values: make([]float32, graphs), EmbeddingWidth: width, Embedding: make([]float32, graphs*width)}
	for g := range graphs {
		batch.IDs.AppendInt(int64(g))
		batch.NodeOffsets = append(batch.NodeOffsets, uint32(g+1))
		batch.RowGroups, batch.Rows = append(batch.RowGroups, 0), append(batch.Rows, int64(g))
	}
	_, err = e.Write(batch, s)
	must(t, err)
	f := NewFooter(Spec{Part: "a.parquet", Rows: int64(graphs)}, c.Settings)
	f.RowsIn, f.Scored = int64(graphs), int64(graphs)
	must(t, e.Finish(&f))
	return b.Bytes()
}

// A footer that speaks of an embedding names its step, and says how wide it is.
func TestFooterOfAnEmbedding(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.parquet")
	good := embeddedPart(t, 40, 5)
	must(t, os.WriteFile(path, good, 0o666))
	f, err := ReadFooter(path)
	must(t, err)
	if f.EmbeddingWidth != 5 || f.Settings.Embed != "h" || f.form() != form3 {
		t.Errorf("footer %+v", f)
	}
	for value, want := range map[string]string{
		"":           `"" for graphscore.embedding_width`,
		"0":          `"0" for graphscore.embedding_width`,
		"4294967296": `"4294967296" for graphscore.embedding_width`,
		"6":          "values for",
	} {
		must(t, os.WriteFile(path, withValue(t, good, keyEmbedding, value), 0o666))
		p, err := Open(path)
		for err == nil {
			_, err = p.Next()
		}
		if !IsPartError(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("width %q: %v, want %q", value, err, want)
		}
	}
}

// The levels of lists of one length, byte by byte.
func TestLevels(t *testing.T) {
	t.Parallel()
	if got, want := string(appendLevels(nil, 2, 3)), "\x08\x00\x00\x00\x02\x00\x04\x01\x02\x00\x04\x01\x02\x00\x00\x00\x0c\x02"; got != want {
		t.Errorf("levels %q, want %q", got, want)
	}
	if got, want := string(appendLevels(nil, 3, 1)), "\x02\x00\x00\x00\x06\x00\x02\x00\x00\x00\x06\x02"; got != want {
		t.Errorf("levels of one value %q, want %q", got, want)
	}
}

// BenchmarkEmbedding writes 64 values a row: ten times the rows take ten times as long, in the same memory.
func BenchmarkEmbedding(b *testing.B) {
	const graphs, width = 20_000, 64
	batch := &graph.Batch{NodeOffsets: []uint32{0}, EdgeOffsets: make([]uint32, graphs+1), InDegree: make([]uint32, graphs)}
	s := &graph.Scores{Outputs: 1, Values: make([]float32, graphs), EmbeddingWidth: width, Embedding: make([]float32, graphs*width)}
	for i := range s.Embedding {
		s.Embedding[i] = float32(i*7919%100_003) / 100_003
	}
	for g := range graphs {
		batch.IDs.AppendInt(int64(g))
		batch.NodeOffsets = append(batch.NodeOffsets, uint32(g+1))
		batch.RowGroups, batch.Rows = append(batch.RowGroups, 0), append(batch.Rows, int64(g))
	}
	c := Contents{Outputs: []string{"score"}, Settings: Settings{Embed: "h"}, Embedding: width}
	for _, batches := range []int{10, 100} {
		b.Run(fmt.Sprintf("rows=%d", batches*graphs), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e, err := NewEncoder(&discard{}, c, Sizes{})
				must(b, err)
				for range batches {
					_, err := e.Write(batch, s)
					must(b, err)
				}
				f := NewFooter(Spec{Part: "a.parquet"}, c.Settings)
				must(b, e.Finish(&f))
			}
		})
	}
}

// discard is a file of which only the length is known.
type discard struct{ n int64 }

func (d *discard) Write(p []byte) (int, error) {
	d.n += int64(len(p))
	return len(p), nil
}

func (d *discard) Tell() int64 { return d.n }
