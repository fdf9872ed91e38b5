package readers_test

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/readers"
)

// files that are mutated, below testdata/good.
var mutated = []string{
	"v1_zstd.parquet", "plain_v2.parquet", "v1_gzip.parquet", "v2_snappy.parquet", "delta.parquet", "polars.parquet",
	"binary_features.parquet", "split_wide_pages.parquet", "split_half.parquet", "lz4_raw_blocks.parquet", "../truths/runs.parquet",
	"../truths/plain.parquet", "../truths/bits.arrow", "list_view.arrow", "large_list_view.arrows", "run_end.arrow", "run_end.arrows",
	"dictionary_everywhere.arrow", "views_everywhere.arrow", "file_zstd.arrow", "stream_None.arrows", "dictionary_delta.arrow", "polars_lz4.arrow",
	"../further/wide/delta_v2.parquet", "../further/wide/plain_small_pages.parquet", "../further/wide/bytes.parquet", "../further/wide/half.parquet",
	"../further/wide/views.arrow", "../further/wide/runs.arrow", "../further/wide/dictionary.arrows", "../further/narrow/int8.parquet", "../further/narrow/coded.arrow",
}

// anyFile is the reader of graphs over whole files whose names end in one of the endings.
func anyFile(t testing.TB, endings ...string) *mutation.Target {
	t.Helper()
	// Each column reads 256 KiB ahead, twice as the file is read for two models, and a block of zstd becomes at most 128 KiB.
	// That a page or a buffer claims more than its codec makes is known before there is room for it.
	target := &mutation.Target{
		Seeds: map[string][]byte{}, Base: 32 << 20, Times: 1024,
		Known: func(err error) bool {
			var file *readers.FileError
			return errors.As(err, &file) && !strings.Contains(err.Error(), "\n") && strings.Contains(err.Error(), "; ")
		},
	}
	for _, name := range mutated {
		if !slices.Contains(endings, filepath.Ext(name)) {
			continue
		}
		content, err := os.ReadFile(filepath.Join("testdata", "good", name))
		if err != nil {
			t.Fatal(err)
		}
		target.Seeds[name] = content
	}
	path := filepath.Join(t.TempDir(), "a"+endings[0])
	target.Read = func(t *testing.T, content []byte) error {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return readMutated(t, path)
	}
	return target
}

// readMutated reads a file as a model of three features does, and as one that reads more. The error is the first one.
func readMutated(t *testing.T, path string) error {
	t.Helper()
	p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: path}}})
	if err != nil {
		return err
	}
	if len(p.Refused) > 0 {
		return p.Refused[0]
	}
	for _, w := range []readers.Wanted{wanted(3), wide()} {
		for _, lacking := range p.Lacking(w.Inputs) {
			return lacking
		}
		got, readErr := readWanted(t.Context(), p, w)
		if n := int64(len(got.graphs) + len(got.rejected)); readErr == nil && n != p.Rows {
			t.Errorf("%d rows read of %d", n, p.Rows)
		}
		err = cmp.Or(err, readErr)
	}
	return err
}

// TestMutatedParquet shows that no contents end the process, take much memory, or leave a row out in silence.
func TestMutatedParquet(t *testing.T) { reportMutated(t, "Parquet", anyFile(t, ".parquet")) }

// TestMutatedArrow is the same of Arrow files and streams.
func TestMutatedArrow(t *testing.T) { reportMutated(t, "Arrow", anyFile(t, ".arrow", ".arrows")) }

func reportMutated(t *testing.T, format string, target *mutation.Target) {
	t.Helper()
	faulttest.Report(t, faulttest.Row{Case: "15", How: "copies of files of all encodings of " + format + ", changed at random from a seed",
		Outcome: "every row is read, or the file is refused with a known reason; memory bounded", Times: mutation.Run(t, target)})
}

func FuzzParquet(f *testing.F) { mutation.Fuzz(f, anyFile(f, ".parquet")) }
func FuzzArrow(f *testing.F)   { mutation.Fuzz(f, anyFile(f, ".arrow", ".arrows")) }

// TestFoundFiles reads files that once kept the reader from coming to an end.
func TestFoundFiles(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "found/*") {
		_, err := readAll(t.Context(), newPlan(t, readers.Config{}, name), 3)
		if err == nil {
			t.Fatalf("%s is read without an error", name)
		}
		checkMessage(t, err, name)
	}
}
