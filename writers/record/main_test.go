package record

import (
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"graphscore/writers/atomic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *atomic.Folder {
	t.Helper()
	f, err := atomic.OpenFolder(dir, atomic.Options{})
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// backfillNames lists the records of backfills in a _runs by name, oldest first.
func backfillNames(runs string) ([]string, error) {
	entries, err := os.ReadDir(runs)
	var names []string
	for _, e := range entries {
		if isBackfill(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}
