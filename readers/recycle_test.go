package readers

import (
	"sync"
	"testing"

	"graphscore/pipeline/graph"
)

// What a batch has room for counts, not what is in it: a giant graph may have been rejected, and ids may be long.
func TestRecycleKeepsNoGiants(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]*graph.Batch{
		"features": {Features: make([]float32, 0, 1<<20)},
		"node ids": {NodeIDs: &graph.IDs{Bytes: make([]byte, 0, 1<<20)}},
	} {
		s := &Source{cfg: Config{BatchBytes: 1 << 10}, used: &sync.Pool{}}
		s.Recycle(b)
		if s.reuse() != nil {
			t.Errorf("a batch with room for giant %s is kept", name)
		}
	}
}
