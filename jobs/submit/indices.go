package submit

import "slices"

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
