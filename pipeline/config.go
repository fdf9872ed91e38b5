package pipeline

import (
	"context"
	"fmt"
	"log/slog"

	"graphscore/pipeline/graph"
)

// Shard is a part of the input that is read, scored and committed as one.
type Shard struct {
	// Name names the shard in logs and errors.
	Name string
	// Rows is the number of rows that the source will yield or reject.
	Rows int64
	// Giant: a source is read before the run that holds a giant from then on: see [Announcing]. It is for the first shard
	// alone.
	Giant bool
	// Open opens the source, Create the sink. Each is called at most once, and what it returns is closed.
	Open   func(ctx context.Context) (Source, error)
	Create func(ctx context.Context) (Sink, error)
}

// Config bounds a run. The zero value of a field means its default.
type Config struct {
	// Outputs is the number of values a node that the scorer returns. Required.
	Outputs int
	// Embedding is the number of values of the embedding in a row, 0 for none.
	Embedding int
	// Level is what a row of scores belongs to.
	Level graph.Level
	// ShardsAtOnce is the number of shards that are read at the same time. As many again may be read to the end
	// and not yet committed. Default 2.
	ShardsAtOnce int
	// Calls is the largest number of scoring calls under way. Default 6.
	Calls int
	// RequestGraphs is the number of graphs up to which they share a request. Default: no limit of its own.
	RequestGraphs int
	// RequestBytes is the size up to which graphs share a request. Default 2 MiB.
	RequestBytes int64
	// InFlightBytes bounds the requests that are read and not yet written. Default 64 MiB.
	InFlightBytes int64
	// MaxGraphBytes is the largest graph that is sent, as GraphBytes counts it. Default: no limit.
	MaxGraphBytes int64
	// GraphBytes is the size of graph g of b in a request. Default: the size of its columns.
	GraphBytes func(b *graph.Batch, g int) int64
	// Progress is counted up while the run goes on. Default: a new one.
	Progress *Progress
	// Log gets what an operator should know. Default: nothing is logged.
	Log *slog.Logger
	// Begin is called for every shard that begins, from its goroutine. The context that it returns is that of all
	// calls for the shard; end is called with the result when the shard has ended. Default: ctx as it is.
	Begin func(ctx context.Context, shard string) (calls context.Context, end func(ShardResult))
	// Answered is called once, when the scorer gets no further call: every shard is scored or has ended. The last parts may
	// not be committed by then. It is called where the run ends early, too. Default: nothing.
	Answered func()
}

// WithDefaults returns a copy with every unset field at its default.
func (c Config) WithDefaults() Config {
	setDefault(&c.ShardsAtOnce, 2)
	setDefault(&c.Calls, 6)
	setDefault(&c.RequestGraphs, 1<<30)
	setDefault(&c.RequestBytes, 2<<20)
	setDefault(&c.InFlightBytes, 64<<20)
	setDefault(&c.MaxGraphBytes, 1<<62)
	if c.GraphBytes == nil {
		c.GraphBytes = (*graph.Batch).GraphBytes
	}
	if c.Progress == nil {
		c.Progress = &Progress{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Answered == nil {
		c.Answered = func() {}
	}
	if c.Begin == nil {
		c.Begin = func(ctx context.Context, _ string) (context.Context, func(ShardResult)) {
			return ctx, func(ShardResult) {}
		}
	}
	return c
}

func setDefault[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Validate names the first field that is out of range. It is for a Config with defaults.
func (c Config) Validate() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Outputs", int64(c.Outputs)}, {"ShardsAtOnce", int64(c.ShardsAtOnce)}, {"Calls", int64(c.Calls)},
		{"RequestGraphs", int64(c.RequestGraphs)}, {"RequestBytes", c.RequestBytes},
		{"InFlightBytes", c.InFlightBytes}, {"MaxGraphBytes", c.MaxGraphBytes},
	} {
		if f.value < 1 {
			return fmt.Errorf("pipeline: %s is %d, it must be at least 1", f.name, f.value)
		}
	}
	return nil
}
