package submit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ranges writes sorted indices in the form of sbatch --array: "0-3,7".
func ranges(indices []int) string {
	var b strings.Builder
	for i := 0; i < len(indices); {
		last := i
		for last+1 < len(indices) && indices[last+1] == indices[last]+1 {
			last++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(indices[i]))
		if last > i {
			fmt.Fprintf(&b, "-%d", indices[last])
		}
		i = last + 1
	}
	return b.String()
}

// block is what one array can run: the indices of shards from Offset on, below Offset plus the engine's limit.
type block struct {
	offset  int
	indices []int // less the offset, sorted
}

// blocks cuts shards into arrays of which no index reaches limit. Its offsets are multiples of limit: the same shard has
// the same place in every round.
func blocks(shards []int, limit int) []block {
	var all []block
	for _, shard := range slices.Sorted(slices.Values(shards)) {
		offset := shard / limit * limit
		if len(all) == 0 || all[len(all)-1].offset != offset {
			all = append(all, block{offset: offset})
		}
		last := &all[len(all)-1]
		last.indices = append(last.indices, shard-offset)
	}
	return all
}
