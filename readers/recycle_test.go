package readers

import (
	"runtime"
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
		s := &Source{cfg: Config{BatchBytes: 1 << 10}, used: &spares{}}
		s.Recycle(b)
		if s.reuse() != nil {
			t.Errorf("a batch with room for giant %s is kept", name)
		}
	}
}

// What a run has in flight by turns is kept over collections, and no more.
func TestSpares(t *testing.T) {
	t.Parallel()
	var s spares
	if s.take() != nil {
		t.Error("there is a batch before one was put")
	}
	first, last := &graph.Batch{}, &graph.Batch{}
	s.put(first)
	s.put(last)
	for range 3 {
		runtime.GC()
	}
	if s.take() != last || s.take() != first || s.take() != nil {
		t.Error("batches do not come back, the last one first")
	}
	for range 2 * maxSpares() {
		s.put(&graph.Batch{})
	}
	if len(s.batches) != maxSpares() {
		t.Errorf("%d batches are kept, not %d", len(s.batches), maxSpares())
	}
	s = spares{}
	for range maxSpares() {
		s.put(&graph.Batch{Features: make([]float32, maxSpareBytes/16)})
	}
	if most := min(4, maxSpares()); len(s.batches) > most {
		t.Errorf("%d batches of %d bytes are kept, not %d", len(s.batches), maxSpareBytes/4, most)
	}
	for s.take() != nil {
	}
	if s.bytes != 0 {
		t.Errorf("%d bytes are counted where there is no batch", s.bytes)
	}
}
