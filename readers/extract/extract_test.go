package extract_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/readers/extract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// read is what a reader finds in the rows of a file, by row, in words.
func read(t *testing.T, path string, w readers.Wanted) (*readers.File, map[int64]string) {
	t.Helper()
	plan, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Refused) > 0 {
		t.Fatal(plan.Refused[0])
	}
	found := map[int64]string{}
	for i := range plan.Shards {
		source, err := plan.Open(t.Context(), &plan.Shards[i], w)
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := source.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for g := range b.Graphs() {
				found[b.Rows[g]] = words(b.Slice(g, g+1))
			}
			for _, r := range b.Rejected {
				found[r.Row] = fmt.Sprint(r.GraphID, r.Code, r.Message)
			}
		}
		source.Close()
	}
	return plan.Files[0], found
}

// words are all that a batch of one graph holds.
func words(b *graph.Batch) string {
	sources := slices.Clone(b.Sources)
	for i := range sources {
		sources[i] -= b.NodeOffsets[0]
	}
	names := ""
	if b.NodeIDs != nil {
		for i := range b.Nodes() {
			names += fmt.Sprint(b.NodeIDs.Value(i), " ")
		}
	}
	return fmt.Sprint(b.IDs.Value(0), b.Features, b.InDegree, sources, b.Weights, names, b.EdgeFeatures, b.EdgeTypes, b.EdgeRows, b.GraphFeatures)
}

// copied copies rows of a file in a form and returns the path of the copy.
func copied(t *testing.T, f *readers.File, form extract.Form, places []int64) (string, error) {
	t.Helper()
	var b bytes.Buffer
	if err := extract.Write(t.Context(), &b, form, []extract.Rows{{File: f, Wanted: further(), Places: places}}); err != nil {
		return "", err
	}
	path := filepath.Join(t.TempDir(), "copy")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path, nil
}

// Rows of a file of any kind that graphscore reads are copied as they are, to either form. What the library cannot
// copy is an error; what it copies wrongly is listed here, and who exports compares.
func TestCopyOfEveryKind(t *testing.T) {
	t.Parallel()
	outcomes := odd()
	for path, w := range fixtures(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(path, "../testdata/"), "good/")
		for form, end := range map[extract.Form]string{extract.Parquet: ".parquet", extract.Arrow: ".arrow"} {
			t.Run(name+" to "+end, func(t *testing.T) {
				t.Parallel()
				f, want := read(t, path, w)
				var places []int64
				for row := range f.Rows {
					if row%3 != 1 || row == 4 {
						places = append(places, row)
					}
				}
				copy, err := copied(t, f, form, places)
				var known *extract.Error
				outcome := "the same"
				switch {
				case errors.As(err, &known):
					outcome = "refused"
				case err != nil:
					t.Fatal(err)
				default:
					_, got := read(t, copy, w)
					for i, row := range places {
						if got[int64(i)] != want[row] {
							outcome = "another"
						}
					}
					if len(got) != len(places) {
						outcome = "another"
					}
				}
				expected := "the same"
				if o := outcomes[name+" to "+end]; o != "" {
					expected = o
				}
				if outcome != expected {
					t.Errorf("%s, want %s (%v)", outcome, expected, err)
				}
			})
		}
	}
}

// odd is what becomes of files that the library does not copy right, by name and end.
func odd() map[string]string {
	outcomes := map[string]string{
		"run_end.arrow to .arrow": "another", "further/wide/runs.arrow to .arrow": "another", "further/wide/runs.arrows to .arrow": "another",
	}
	for _, name := range []string{ // codecs and encodings that it cannot decode, or finds no rows in
		"duckdb_lz4.parquet", "duckdb_v2_lz4.parquet", "duckdb_v2_snappy.parquet", "duckdb_v2_zstd.parquet",
		"lz4_raw_blocks.parquet", "lz4_raw_v1.parquet", "lz4_raw_v2.parquet", "polars_lz4.parquet",
		"further/wide/duckdb.parquet", "further/wide/split.parquet", "split_half.parquet", "split_half_pages.parquet", "split_narrow.parquet", "split_narrow_pages.parquet",
		"split_wide.parquet", "split_wide_pages.parquet",
	} {
		outcomes[name+" to .parquet"], outcomes[name+" to .arrow"] = "refused", "refused"
	}
	for _, name := range []string{ // types that it cannot write as Parquet
		"dictionary_everywhere.arrow", "large_list.arrow", "large_list_view.arrow", "large_list_view.arrows",
		"list_view.arrow", "list_view.arrows", "polars_lz4.arrow", "polars_newest.arrow", "polars_zstd.arrow",
		"run_end.arrow", "run_end.arrows", "views.arrow", "views_everywhere.arrow",
		"further/wide/large.arrow", "further/wide/polars.arrow", "further/wide/runs.arrow", "further/wide/runs.arrows",
		"further/wide/views.arrow", "further/wide/views.arrows",
	} {
		outcomes[name+" to .parquet"] = "refused"
	}
	return outcomes
}

// usual is what models read of most fixtures, and further what they read of those below testdata/further.
func usual() readers.Wanted { return readers.Wanted{Width: 3, Inputs: graph.Inputs{Weights: true}} }

func further() readers.Wanted {
	return readers.Wanted{Width: 3, EdgeRows: true, Inputs: graph.Inputs{EdgeWidth: 2, EdgeTypes: 9, GraphWidth: 4, Weights: true}}
}

// fixtures are the files that the tests of package readers read, with what is read of them.
func fixtures(t *testing.T) map[string]readers.Wanted {
	t.Helper()
	files := map[string]readers.Wanted{
		"../testdata/rows.parquet": usual(), "../testdata/rows.arrow": usual(), "../testdata/rows_v2.parquet": usual(),
		"../testdata/further/bad.parquet": further(), "../testdata/further/bad.arrow": further(), "../testdata/further/bad_bytes.parquet": further(),
	}
	for folder, w := range map[string]readers.Wanted{"good": usual(), "further/wide": further()} {
		found, err := filepath.Glob("../testdata/" + folder + "/*")
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		for _, path := range found {
			files[path] = w
		}
	}
	return files
}

// A writer that fails is not the fault of the input.
func TestWriterThatFails(t *testing.T) {
	t.Parallel()
	f, _ := read(t, "../testdata/rows.parquet", usual())
	full := errors.New("the disk is full")
	for _, form := range []extract.Form{extract.Parquet, extract.Arrow} {
		err := extract.Write(t.Context(), failing{full}, form, []extract.Rows{{File: f, Wanted: usual(), Places: []int64{0, 2}}})
		if !errors.Is(err, full) {
			t.Errorf("form %d: %v", form, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A row that the file has not, a file that is gone, and an end that comes before.
func TestRowsThatAreNotThere(t *testing.T) {
	t.Parallel()
	var known *extract.Error
	for _, path := range []string{"../testdata/rows.parquet", "../testdata/rows.arrow"} {
		f, _ := read(t, path, usual())
		if _, err := copied(t, f, extract.Parquet, []int64{f.Rows}); !errors.As(err, &known) {
			t.Errorf("%s: %v", path, err)
		}
		gone := &readers.File{Path: filepath.Join(t.TempDir(), "gone"), Format: f.Format, Columns: f.Columns}
		if _, err := copied(t, gone, extract.Parquet, []int64{0}); !errors.As(err, &known) {
			t.Errorf("%s: %v", path, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := extract.Write(ctx, io.Discard, extract.Parquet, []extract.Rows{{File: f, Wanted: usual(), Places: []int64{0}}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
