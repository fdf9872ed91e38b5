package preflight

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/estimate"
	"graphscore/readers"
)

// TestSamplesOf: small row groups lie together, large ones alone, none is lost or there twice.
func TestSamplesOf(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	var groups []estimate.Group
	for _, bytes := range []int64{10, 10, 2 * mib, 3 * mib, mib / 2, mib / 2, mib / 2, 10} {
		groups = append(groups, estimate.Group{Rows: 1, Bytes: bytes, Counted: true})
	}
	var got [][2]int
	var rows int64
	for _, s := range samplesOf(&readers.Shard{FirstGroup: 5}, groups) {
		got = append(got, [2]int{s.first, s.last})
		rows += s.Rows
	}
	if d := cmp.Diff([][2]int{{5, 7}, {8, 8}, {9, 10}, {11, 12}}, got); d != "" || rows != int64(len(groups)) {
		t.Errorf("%d rows; %s", rows, d)
	}
}
