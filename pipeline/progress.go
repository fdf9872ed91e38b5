package pipeline

import (
	"sync/atomic"
	"time"
)

// Progress counts a run while it goes on. Any goroutine may read it at any time.
type Progress struct {
	// Scored and Quarantined count the graphs that have left the pipeline.
	Scored, Quarantined atomic.Int64
	// Nodes and Edges count those of scored graphs.
	Nodes, Edges atomic.Int64
	// Requests counts the batches that were scored, Retries the calls beyond one for each of them.
	Requests, Retries atomic.Int64
	// Suspects counts the batches that were examined for a graph at fault.
	Suspects atomic.Int64
	// Shards counts the shards that ended, in whatever way.
	Shards atomic.Int64
	// InFlight is the bytes of requests that are read and not yet written.
	InFlight atomic.Int64
	// Calls is the number of scoring calls that may be under way at once, and RequestBytes the size up to which graphs share
	// one: less than configured while the scorer is under pressure.
	Calls, RequestBytes atomic.Int64
	// Planned and Skipped are for who plans the run: the graphs of its input, and those that were done before.
	Planned, Skipped atomic.Int64

	// Time spent in each stage, in nanoseconds, added up over goroutines.
	read, cut, pack, transport, model, write atomic.Int64
	readWait, writeWait, elapsed             atomic.Int64

	first atomic.Pointer[time.Time]

	mostCalls, mostBytes atomic.Int64 // as configured
}

// configured sets the limits that hold without pressure.
func (p *Progress) configured(calls, bytes int64) {
	p.mostCalls.Store(calls)
	p.mostBytes.Store(bytes)
	p.allow(limits{})
}

// allow sets what a scorer may be sent at once, of what is configured.
func (p *Progress) allow(l limits) {
	set := func(to *atomic.Int64, limit, most int64) {
		if limit > 0 {
			most = min(most, limit)
		}
		if to.Load() != most {
			to.Store(most)
		}
	}
	set(&p.Calls, l.calls, p.mostCalls.Load())
	set(&p.RequestBytes, l.bytes, p.mostBytes.Load())
}

// Rows is the number of graphs that have left the pipeline, scored or quarantined.
func (p *Progress) Rows() int64 { return p.Scored.Load() + p.Quarantined.Load() }

// Reading is what a Progress said at one moment, field by field.
type Reading struct {
	Scored, Quarantined, Skipped, Planned int64
	Nodes, Edges                          int64
	Requests, Retries, Shards             int64
	InFlight, Calls, RequestBytes         int64
	Stages                                Stages
}

// Read returns the counts so far.
func (p *Progress) Read() Reading {
	return Reading{
		Scored: p.Scored.Load(), Quarantined: p.Quarantined.Load(), Skipped: p.Skipped.Load(), Planned: p.Planned.Load(),
		Nodes: p.Nodes.Load(), Edges: p.Edges.Load(),
		Requests: p.Requests.Load(), Retries: p.Retries.Load(), Shards: p.Shards.Load(),
		InFlight: p.InFlight.Load(), Calls: p.Calls.Load(), RequestBytes: p.RequestBytes.Load(), Stages: p.Stages(),
	}
}

// Add adds the counts of another run.
func (r *Reading) Add(o Reading) {
	r.Scored += o.Scored
	r.Quarantined += o.Quarantined
	r.Skipped += o.Skipped
	r.Planned += o.Planned
	r.Nodes += o.Nodes
	r.Edges += o.Edges
	r.Requests += o.Requests
	r.Retries += o.Retries
	r.Shards += o.Shards
	r.InFlight += o.InFlight
	r.Calls += o.Calls
	r.RequestBytes = max(r.RequestBytes, o.RequestBytes)
	r.Stages.Add(o.Stages)
}

// Stages returns the times so far.
func (p *Progress) Stages() Stages {
	return Stages{
		Read:      time.Duration(p.read.Load()),
		Pack:      time.Duration(p.cut.Load() + p.pack.Load()),
		Transport: time.Duration(p.transport.Load()),
		Model:     time.Duration(p.model.Load()),
		Write:     time.Duration(p.write.Load()),
		Cut:       time.Duration(p.cut.Load()),
		ReadWait:  time.Duration(p.readWait.Load()),
		WriteWait: time.Duration(p.writeWait.Load()),
		Elapsed:   time.Duration(p.elapsed.Load()),
	}
}

// FirstRequest is the moment of the first scoring call, zero before it.
func (p *Progress) FirstRequest() time.Time {
	if t := p.first.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

func (p *Progress) begin() {
	if p.first.Load() == nil {
		now := time.Now()
		p.first.CompareAndSwap(nil, &now)
	}
}

// since adds the time since start to a counter.
func since(counter *atomic.Int64, start time.Time) { counter.Add(int64(time.Since(start))) }
