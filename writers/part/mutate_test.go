package part

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest/mutation"
)

// anyPart is the reader of parts, as diff, verify and report read them: the footer, and every block.
func anyPart(t testing.TB) *mutation.Target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.parquet")
	return &mutation.Target{
		Seeds: map[string][]byte{
			"pages": goodPart(t), "edges": makePart(t, graph.EdgeLevel, 40, Sizes{}), "graphs": makePart(t, graph.GraphLevel, 40, Sizes{}),
			"nodes": makePart(t, graph.NodeLevel, 40, Sizes{}), "foreign": foreignParquet(t),
		},
		// A block of zstd becomes at most 128 KiB, which are held packed, decoded and as ids: eight of them in the base, and one for
		// each 128 bytes. That a page claims more is known before there is room for it.
		Base: 4 << 20, Times: 1024, Known: IsPartError,
		Read: func(t *testing.T, content []byte) error {
			must(t, os.WriteFile(path, content, 0o666))
			footer, err := ReadFooter(path)
			if err != nil {
				return err
			}
			if footer.RowsIn != footer.Scored+footer.Quarantined {
				t.Errorf("footer %+v", footer)
			}
			return readBlocks(path)
		},
	}
}

// readBlocks reads a part to its end.
func readBlocks(path string) error {
	r, err := Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// TestMutatedParts shows that no part ends the process, takes much memory, or is refused without its name.
func TestMutatedParts(t *testing.T) { mutation.Run(t, anyPart(t)) }

// FuzzPart is the same for the native fuzzer.
func FuzzPart(f *testing.F) { mutation.Fuzz(f, anyPart(f)) }

// anyQuarantine is the reader of quarantine files.
func anyQuarantine(t testing.TB) *mutation.Target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	lines := `{"graph_id":"g-1","file":"a.parquet","row_group":0,"row":3,"code":"non_finite_feature","message":"feature 0 of node 0 is NaN","nodes":3,"edges":2}
{"graph_id":7,"file":"a.parquet","row_group":1,"row":9,"code":"feature_width","message":"its nodes have different numbers of features"}
{"graph_id":null,"file":"a.parquet","row_group":1,"row":11,"code":"null_id","message":"its id is null"}
`
	return &mutation.Target{
		Seeds: map[string][]byte{"lines": []byte(lines)}, Base: 1 << 20, Times: 256, Known: IsPartError,
		Read: func(t *testing.T, content []byte) error {
			must(t, os.WriteFile(path, content, 0o666))
			q, err := OpenQuarantine(path, "a.parquet")
			if err != nil {
				return err
			}
			defer q.Close()
			for {
				if _, err := q.Next(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		},
	}
}

// TestMutatedQuarantine is the same of quarantine files.
func TestMutatedQuarantine(t *testing.T) { mutation.Run(t, anyQuarantine(t)) }

// FuzzQuarantine is the same for the native fuzzer.
func FuzzQuarantine(f *testing.F) { mutation.Fuzz(f, anyQuarantine(f)) }
