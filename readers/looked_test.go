package readers

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"graphscore/readers/internal/column"
)

// TestLooked: what was read of the ends of a file, and what lies between them, is the file, for one file after another.
func TestLooked(t *testing.T) {
	t.Parallel()
	var l looked
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 100, edge - 1, edge, edge + 1, 2*edge - 1, 2 * edge, 3*edge + 7, 5} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(r.Uint32())
		}
		f := fileOf(t, content)
		if err := l.at(f, f, int64(size)); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			from := r.IntN(size + 1)
			got := make([]byte, r.IntN(size-from+1))
			if n, err := l.ReadAt(got, int64(from)); err != nil || n != len(got) || !bytes.Equal(got, content[from:from+n]) {
				t.Fatalf("%d bytes from %d of %d: %d, %v", len(got), from, size, n, err)
			}
		}
		if n, err := l.ReadAt(make([]byte, 2), int64(size)-1); size > 0 && (n != 1 || err != io.EOF) {
			t.Errorf("behind the end of %d bytes: %d, %v", size, n, err)
		}
	}
}

// fileOf returns an open file with a content.
func fileOf(t *testing.T, content []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestSmallFilesAreReadOnce: of a small file planning reads every byte once, of a large one both ends.
func TestSmallFilesAreReadOnce(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{2000, 10 * edge} {
		f := fileOf(t, make([]byte, size))
		var l looked
		if err := l.at(f, f, size); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil { // nothing can be read any more
			t.Fatal(err)
		}
		if _, err := detect(&l, size); err == nil {
			t.Error("a file of zeroes has a format")
		}
		if _, err := fingerprint(t.Context(), &l, size, FingerprintFast, 0); err != nil {
			t.Errorf("the fingerprint of a file of %d bytes reads it again: %v", size, err)
		}
	}
}

// TestShorterThanItsSize: a file that ends before its size is refused by name, and the next one is read.
func TestShorterThanItsSize(t *testing.T) {
	t.Parallel()
	var l looked
	for _, size := range []int64{1, 5, edge + 3, 3 * edge} {
		f := fileOf(t, make([]byte, size))
		for _, more := range []int64{1, edge, 4 * edge} {
			var refused *column.FormatError
			if err := l.at(f, f, size+more); !errors.As(err, &refused) || !strings.Contains(err.Error(), strconv.FormatInt(size+more, 10)) {
				t.Errorf("%d bytes of a size of %d: %v", size, size+more, err)
			}
		}
		if err := l.at(f, f, size); err != nil {
			t.Error(err)
		}
	}
}
