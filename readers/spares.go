package readers

import (
	"runtime"
	"sync"

	"graphscore/pipeline/graph"
)

// maxSpares is how many batches are kept: as many as calls of three to each worker have, twice.
func maxSpares() int { return 6 * runtime.GOMAXPROCS(0) }

// maxSpareBytes is how much the kept batches take together, however many CPUs there are.
const maxSpareBytes = 64 << 20

// spares are batches that nobody uses any more, the one that came last first: it is in the caches. A sync.Pool forgets them
// at every other collection, and batches are what collections come from. The zero value is empty. It is safe for concurrent
// use.
type spares struct {
	mu      sync.Mutex
	batches []*graph.Batch
	bytes   int64 // of the batches
}

// put keeps a batch, or leaves it to the collector.
func (s *spares) put(b *graph.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size := b.CapBytes(); len(s.batches) < maxSpares() && s.bytes+size <= maxSpareBytes {
		s.batches, s.bytes = append(s.batches, b), s.bytes+size
	}
}

// take returns a batch, nil where there is none.
func (s *spares) take() *graph.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.batches) - 1
	if n < 0 {
		return nil
	}
	b := s.batches[n]
	s.batches[n], s.batches = nil, s.batches[:n]
	s.bytes -= b.CapBytes()
	return b
}
