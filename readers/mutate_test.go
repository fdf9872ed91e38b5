package readers_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"graphscore/readers"
)

// mutate changes some bytes of a copy, or cuts it.
func mutate(rng *rand.Rand, data []byte) []byte {
	b := append([]byte(nil), data...)
	switch rng.IntN(8) {
	case 0:
		return b[:rng.IntN(len(b))]
	case 1: // a page of zeros
		at := rng.IntN(len(b))
		clear(b[at:min(at+1+rng.IntN(200), len(b))])
	case 2: // a number that claims much
		at := rng.IntN(len(b) - 8)
		copy(b[at:], []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0x7f}[:1+rng.IntN(8)])
	case 3: // towards the end, where footers are
		b[len(b)-1-rng.IntN(min(len(b), 400))] = byte(rng.Uint32())
	default:
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	}
	return b
}

// TestMutatedFiles shows that no contents end the process, take much memory, or leave a row out in silence.
func TestMutatedFiles(t *testing.T) { // not parallel: it measures what is allocated
	const copies, most = 250, 1 << 30
	dir := t.TempDir()
	for _, base := range []string{
		"v1_zstd.parquet", "plain_v2.parquet", "v1_gzip.parquet", "v2_snappy.parquet", "delta.parquet", "polars.parquet",
		"binary_features.parquet", "split_wide_pages.parquet", "split_half.parquet", "lz4_raw_blocks.parquet", "../truths/runs.parquet",
		"../truths/plain.parquet", "../truths/bits.arrow", "list_view.arrow", "large_list_view.arrows", "run_end.arrow", "run_end.arrows",
		"dictionary_everywhere.arrow", "views_everywhere.arrow", "file_zstd.arrow", "stream_None.arrows", "dictionary_delta.arrow", "polars_lz4.arrow",
		"../further/wide/delta_v2.parquet", "../further/wide/plain_small_pages.parquet", "../further/wide/bytes.parquet", "../further/wide/half.parquet",
		"../further/wide/views.arrow", "../further/wide/runs.arrow", "../further/wide/dictionary.arrows", "../further/narrow/int8.parquet", "../further/narrow/coded.arrow",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "good", base))
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, uint64(len(data))))
		name := filepath.Join(dir, strings.ReplaceAll(base, "/", "-"))
		for i := range copies {
			if err := os.WriteFile(name, mutate(rng, data), 0o600); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			readMutated(t, name, i)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > most {
				t.Errorf("copy %d of %s: %d bytes allocated", i, base, n)
			}
		}
	}
}

func readMutated(t *testing.T, name string, i int) {
	t.Helper()
	p := newPlan(t, readers.Config{}, name)
	for _, refused := range p.Refused {
		checkMutated(t, refused, i)
	}
	w := wanted(3)
	if strings.Contains(name, "further") {
		w = wide()
	}
	got, err := readWanted(t.Context(), p, w)
	if err != nil {
		checkMutated(t, err, i)
		return
	}
	if n := int64(len(got.graphs) + len(got.rejected)); n != p.Rows {
		t.Errorf("copy %d of %s: %d rows read of %d", i, name, n, p.Rows)
	}
}

func checkMutated(t *testing.T, err error, i int) {
	t.Helper()
	message := err.Error()
	var file *readers.FileError
	if !errors.As(err, &file) || strings.Contains(message, "goroutine") || strings.Contains(message, "panic") || strings.Contains(message, "runtime error") ||
		strings.Contains(message, "\n") || !strings.Contains(message, "; ") {
		t.Errorf("copy %d: %T %q", i, err, message)
	}
}

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
