package readers_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/readers"
)

// TestGroupsCount holds what footers tell against what is read, in every form that a file can have.
func TestGroupsCount(t *testing.T) {
	t.Parallel()
	for _, file := range files(t, "good/*") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, readers.Config{}, file)
			read, err := readAll(t.Context(), p, 3)
			if err != nil {
				t.Fatal(err)
			}
			var features, edges, empty, edgeless int64
			for _, g := range read.graphs {
				features += 3 * int64(len(g.Features))
				edges += int64(len(g.Edges))
				if len(g.Features) == 0 {
					empty++
				}
				if len(g.Edges) == 0 {
					edgeless++
				}
			}
			var rows, gotFeatures, gotEdges int64
			counted := true
			for _, g := range p.Shards[0].Groups() {
				rows, gotFeatures, gotEdges = rows+g.Rows, gotFeatures+g.Features, gotEdges+g.Edges
				counted = counted && g.Counted
			}
			if rows != p.Rows {
				t.Errorf("%d rows of %d", rows, p.Rows)
			}
			binary := strings.HasPrefix(filepath.Base(file), "binary_features") || strings.HasPrefix(filepath.Base(file), "binary_no")
			if counted == (binary || shared(p.Files[0].Columns, "features")) {
				t.Errorf("counted: %v", counted)
			}
			// Rows without features or edges leave a placeholder each in Parquet.
			if counted && (gotFeatures < features || gotFeatures > features+empty) {
				t.Errorf("%d features, %d were read", gotFeatures, features)
			}
			if !shared(p.Files[0].Columns, "edges") && (gotEdges < edges || gotEdges > edges+edgeless) {
				t.Errorf("%d edges, %d were read", gotEdges, edges)
			}
		})
	}
}

// TestSample reads the first rows of some groups of a shard: what a whole read has there.
func TestSample(t *testing.T) {
	t.Parallel()
	p := newPlan(t, readers.Config{}, "testdata/rows.parquet")
	all, err := readAll(t.Context(), p, 2)
	if err != nil {
		t.Fatal(err)
	}
	whole := p.Shards[0]
	groups := whole.Groups()
	first := int64(0)
	for i, g := range groups {
		for _, rows := range []int64{1, g.Rows, g.Rows + 1000} {
			last := len(groups) - 1
			some := *p
			some.Shards = []readers.Shard{whole.Sample(i, last, rows)}
			read, err := readAll(t.Context(), &some, 2)
			if err != nil {
				t.Fatal(err)
			}
			got := len(read.graphs) + len(read.rejected)
			if int64(got) != min(rows, p.Rows-first) {
				t.Errorf("groups %d to %d, %d rows: %d were read", i, last, rows, got)
			}
			var want []plain
			for _, g := range all.graphs {
				if g.Row >= first && g.Row < first+rows {
					want = append(want, g)
				}
			}
			if d := cmp.Diff(want, read.graphs); d != "" {
				t.Errorf("groups %d to %d, %d rows: %s", i, last, rows, d)
			}
		}
		first += g.Rows
	}
}

// TestGroupsUnderLimit: the last shard of a limit has its share of rows and sizes.
func TestGroupsUnderLimit(t *testing.T) {
	t.Parallel()
	all := newPlan(t, readers.Config{}, "testdata/rows.parquet").Shards[0].Groups()
	p := newPlan(t, readers.Config{Limit: 1}, "testdata/rows.parquet")
	var rows, bytes int64
	for _, g := range p.Shards[0].Groups() {
		rows, bytes = rows+g.Rows, bytes+g.Bytes
	}
	if rows != 1 || bytes <= 0 || bytes >= all[0].Bytes {
		t.Errorf("%d rows of %d bytes, the first group has %d", rows, bytes, all[0].Bytes)
	}
}

// TestPresentHasRefusedFiles: an input that is there and cannot be read is not gone.
func TestPresentHasRefusedFiles(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.parquet": ":no Parquet", "b.arrow": ":"})
	p := newPlan(t, readers.Config{}, dir)
	if d := cmp.Diff(map[string]bool{"a.parquet": true, "b.arrow": true}, p.Present()); d != "" {
		t.Error(d)
	}
}

// shared says whether the type of a column lets rows share values, so that their number says nothing of the rows.
func shared(columns []readers.Column, role string) bool {
	for _, c := range columns {
		if c.Role == role {
			return strings.Contains(c.Type, "list_view") || strings.Contains(c.Type, "run_end_encoded")
		}
	}
	return false
}
