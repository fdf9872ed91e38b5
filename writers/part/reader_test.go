package part

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

// TestReaderMemory: a part of ten times the rows is read in the same memory.
func TestReaderMemory(t *testing.T) {
	t.Parallel()
	held := func(graphs int) uint64 {
		path := filepath.Join(t.TempDir(), "a.parquet")
		must(t, os.WriteFile(path, makePart(t, graph.NodeLevel, graphs, Sizes{GroupBytes: 1 << 20}), 0o666))
		p, err := Open(path)
		must(t, err)
		defer p.Close()
		var most uint64
		for {
			_, err := p.Next()
			if err == io.EOF {
				return most
			}
			must(t, err)
			most = max(most, uint64(cap(p.nodes[0].ids.Ints)*8+cap(p.scores[0].values)*4+cap(p.graphs.dict.Ints)*8+cap(p.graphs.ends)*8))
		}
	}
	if small, large := held(4_000), held(40_000); large > 2*small {
		t.Errorf("%d bytes are held, %d of a tenth", large, small)
	}
}

func TestForeignAndBrokenParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		"none":   "no such file",
		"folder": "it is not a file",
		"letter": "it is not a whole Parquet file",
	} {
		path := filepath.Join(dir, name)
		_ = os.Mkdir(filepath.Join(dir, "folder"), 0o777)
		must(t, os.WriteFile(filepath.Join(dir, "letter"), []byte("Dear reader, this is no part."), 0o666))
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A part is not damaged where only its disk is.
func TestReadFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.parquet")
	must(t, os.WriteFile(path, goodPart(t), 0o666))
	for blocks := range 3 {
		p, err := Open(path)
		must(t, err)
		for range blocks {
			_, err := p.Next()
			must(t, err)
		}
		must(t, p.f.Close())
		for err == nil {
			_, err = p.Next()
		}
		var failed *atomic.IOError
		if !errors.As(err, &failed) || failed.Path != path || IsPartError(err) {
			t.Errorf("after %d blocks: %v", blocks, err)
		}
	}
}

// BenchmarkRead reads parts back: many small ones, as verify and diff do, and one of many blocks.
func BenchmarkRead(b *testing.B) {
	for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.GraphLevel} {
		for _, graphs := range []int{40, 40_000} {
			path := filepath.Join(b.TempDir(), "a.parquet")
			content := makePart(b, level, graphs, Sizes{})
			must(b, os.WriteFile(path, content, 0o666))
			b.Run(fmt.Sprintf("%s/graphs=%d", level, graphs), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					must(b, readBlocks(path))
				}
			})
		}
	}
}
