package pipeline

import (
	"fmt"

	"graphscore/pipeline/graph"
)

// request is a run of graphs of one batch that is scored in one call.
type request struct {
	batch *graph.Batch // nil: nothing to score
	bytes int64        // what it holds of the bytes in flight

	// rejected lists what left before scoring, of the batch that was cut. Only its last request has both.
	rejected []graph.Rejection
	whole    *graph.Batch

	scores *graph.Scores
	done   chan error // of one, so that a scorer never waits for the collector
}

// cutter cuts batches into requests. What the cuts are has no influence on the output.
type cutter struct{ cfg *Config }

// cut calls emit for every request of a batch, in order. Graphs that fit into no message are rejected.
func (c cutter) cut(b *graph.Batch, emit func(*request) error) error {
	rejected := b.Rejected
	var from int
	var size int64
	flush := func(to int) error {
		if to == from {
			return nil
		}
		r := &request{batch: b.Slice(from, to), bytes: size, done: make(chan error, 1)}
		size = 0
		return emit(r)
	}
	for g := range b.Graphs() {
		bytes := c.cfg.GraphBytes(b, g)
		if bytes > c.cfg.MaxGraphBytes {
			if err := flush(g); err != nil {
				return err
			}
			rejected = append(rejected, b.Reject(g, graph.TooLarge, fmt.Sprintf(
				"it takes %d bytes in a message, the limit is %d", bytes, c.cfg.MaxGraphBytes)))
			from, size = g+1, 0
			continue
		}
		if full := g-from >= c.cfg.RequestGraphs || size+bytes > c.cfg.RequestBytes; full && g > from {
			if err := flush(g); err != nil {
				return err
			}
			from = g
		}
		size += bytes
	}
	if err := flush(b.Graphs()); err != nil {
		return err
	}
	return emit(&request{rejected: rejected, whole: b})
}
