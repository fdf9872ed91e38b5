package readers_test

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/google/go-cmp/cmp"

	"graphscore/readers"
)

// besides are the columns of testdata/beside.arrow that graphs do not need, and the place of each in the schema; others
// are between them.
var besides = map[string]int{"j_view": 0, "j_struct": 2, "j_union": 4, "j_null": 5, "j_runs": 7, "j_map": 9, "j_bytes": 13}

// needed are the places of the columns that are read.
var needed = []int{1, 3, 6, 8, 10, 11}

// schemaOf is the schema in an Arrow IPC file or stream.
func schemaOf(t *testing.T, content []byte) flatbuffers.Table {
	t.Helper()
	if at, ok := bytes.CutSuffix(content, []byte("ARROW1")); ok { // its footer
		end := len(at) - 4
		begin := end - int(binary.LittleEndian.Uint32(at[end:]))
		root := flatbuffers.Table{Bytes: content, Pos: flatbuffers.UOffsetT(begin) + flatbuffers.GetUOffsetT(content[begin:])}
		return flatbuffers.Table{Bytes: content, Pos: root.Indirect(root.Pos + flatbuffers.UOffsetT(root.Offset(6)))}
	}
	root := flatbuffers.Table{Bytes: content, Pos: 8 + flatbuffers.GetUOffsetT(content[8:])}
	return flatbuffers.Table{Bytes: content, Pos: root.Indirect(root.Pos + flatbuffers.UOffsetT(root.Offset(8)))}
}

// unknown gives columns a type that nobody knows.
func unknown(t *testing.T, content []byte, columns []string) {
	t.Helper()
	schema, done := schemaOf(t, content), 0
	fields := flatbuffers.UOffsetT(schema.Offset(6))
	for i := range schema.VectorLen(fields) {
		f := flatbuffers.Table{Bytes: content, Pos: schema.Indirect(schema.Vector(fields) + flatbuffers.UOffsetT(4*i))}
		name := string(f.ByteVector(f.Pos + flatbuffers.UOffsetT(f.Offset(4))))
		if slices.Contains(columns, name) {
			content[f.Pos+flatbuffers.UOffsetT(f.Offset(8))] = 77
			done++
		}
	}
	if done != len(columns) {
		t.Fatalf("%d of the columns %v were found", done, columns)
	}
}

// TestColumnsOfUnknownTypes: a column is read as ever wherever columns of unknown types are, but between two of them.
func TestColumnsOfUnknownTypes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"beside.arrow", "beside.arrows", "beside_lz4.arrow"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			want, err := readAll(t.Context(), newPlan(t, readers.Config{}, filepath.Join("testdata", name)), 3)
			if err != nil || len(want.graphs) < 6 || want.graphs[0].Weights == nil {
				t.Fatalf("%v, %+v", err, want)
			}
			file := filepath.Join(t.TempDir(), name)
			for set := range 1 << len(besides) {
				var columns []string
				var places []int
				for k, column := range slices.Sorted(maps.Keys(besides)) {
					if set&(1<<k) != 0 {
						columns, places = append(columns, column), append(places, besides[column])
					}
				}
				changed := bytes.Clone(content)
				unknown(t, changed, columns)
				if err := os.WriteFile(file, changed, 0o600); err != nil {
					t.Fatal(err)
				}
				between := slices.ContainsFunc(needed, func(place int) bool {
					return slices.ContainsFunc(places, func(p int) bool { return p < place }) && slices.ContainsFunc(places, func(p int) bool { return p > place })
				})
				plan := newPlan(t, readers.Config{}, file)
				if between {
					if len(plan.Refused) != 1 || !strings.Contains(plan.Refused[0].Error(), "have types that are not known, so") {
						t.Errorf("%v: refused %v", columns, plan.Refused)
					}
					continue
				}
				got, err := readAll(t.Context(), plan, 3)
				if diff := cmp.Diff(want.graphs, got.graphs); err != nil || len(plan.Refused)+len(got.rejected) > 0 || diff != "" {
					t.Errorf("%v: %v, %v\n%s", columns, err, plan.Refused, diff)
				}
			}
		})
	}
}
