package part

import (
	"encoding/binary"
	"strings"
	"testing"

	"graphscore/pipeline/graph"
)

// A packed number takes an eighth of a byte in a page and eight in memory, so a page of more than a block is refused
// before there is room for it.
func TestPackedPageIsBounded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, blockRows, blockRows + 1, 64 * blockRows} {
		groups := (n + 7) / 8
		data := binary.AppendUvarint([]byte{1}, uint64(groups)<<1|1)
		data = append(data, make([]byte, groups)...)
		c := nodePages{kind: graph.Int64, packed: true, dict: graph.IDs{Kind: graph.Int64, Ints: []int64{0}}}
		err := c.unpack(data, n)
		if refused := err != nil && strings.Contains(err.Error(), "not at most"); refused != (n > blockRows) {
			t.Errorf("%d numbers: %v", n, err)
		}
		if cap(c.ids.Ints) > 2*blockRows {
			t.Errorf("%d numbers: room for %d", n, cap(c.ids.Ints))
		}
	}
}
