package preflight

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/writers"
)

// Calibration is what samples say of a run.
type Calibration struct {
	Workers            int     `json:"workers"`
	SampledGraphs      int64   `json:"sampled_graphs"`
	SampledQuarantined int64   `json:"sampled_quarantined"`
	SampledSeconds     float64 `json:"sampled_seconds"`
	// SampleTooSmall: the ranges are wide, as samples were short or nothing was sampled twice.
	SampleTooSmall bool    `json:"sample_too_small"`
	StartupSeconds float64 `json:"startup_seconds"`
	// WorkersMemoryKnown is false for servers elsewhere: memory is then that of graphscore alone.
	WorkersMemoryKnown bool `json:"workers_memory_known"`
	estimate.Projection
	PricePerHour float64 `json:"price_per_hour"`
	// Price is zero without a price per hour.
	Price estimate.Range `json:"price"`
}

// calibrate scores samples of what is to do with what would score it. The calibration is nil where nothing could be
// sampled; notes say why, and which files a run would refuse.
func calibrate(ctx context.Context, c *comparison, opts PlanOptions) (found *Calibration, notes []string, err error) {
	cfg, todo := c.in.Config, c.todo()
	samples := c.samples(todo)
	if len(samples) == 0 {
		return nil, []string{"nothing is to be scored, so nothing was sampled"}, nil
	}
	if cfg.Job.Model.Path == "" { // what is to be said of servers was logged when they were asked for the model
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	session, err := run.Connect(ctx, cfg, cfg.Job.Workers)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	startup := cfg.Now().Sub(cfg.Start)
	workers := session.Workers(cfg.Job)
	c.in.Log.InfoContext(ctx, "calibrating", "seconds", opts.Sample.Seconds(), "workers", workers)
	s := &sampler{comparison: c, session: session, samples: samples}
	if s.emptyPart, err = s.sizeOfEmptyPart(ctx, todo[0]); err != nil {
		return nil, nil, err
	}
	costs, err := s.measure(ctx, estimate.Config{Budget: opts.Sample, Now: cfg.Now})
	if err == nil && costs == nil {
		return nil, append(s.notes, "no sample could be read, so the speed is not known"), nil
	}
	if err != nil {
		return nil, nil, err
	}
	sum, took := costs.Sampled()
	found = &Calibration{
		Workers: workers, SampledGraphs: sum.Rows, SampledQuarantined: sum.Quarantined,
		SampledSeconds: took.Seconds(), SampleTooSmall: costs.Small(), StartupSeconds: startup.Seconds(), WorkersMemoryKnown: session.Local(),
		Projection: costs.Project(estimate.Rest{
			Startup: startup, Parts: len(todo), PartBytes: s.emptyPart, InFlightBytes: int64(cfg.Job.Limits.InFlightBytes),
		}),
		PricePerHour: opts.PricePerHour,
	}
	found.Price = estimate.Price(found.Seconds, opts.PricePerHour)
	if note := smallSample(found, opts.Sample); note != "" {
		s.notes = append(s.notes, note)
	}
	return found, s.notes, nil
}

// smallSample says that a sample was too small, and what would help.
func smallSample(c *Calibration, asked time.Duration) string {
	const enough = 5 * time.Second
	switch {
	case !c.SampleTooSmall:
		return ""
	case asked < enough:
		return fmt.Sprintf("the sample was too small for narrow ranges: --sample %v samples for longer", enough)
	}
	return "the sample was too small for narrow ranges: the whole input takes hardly longer"
}

// sampler scores samples of a plan. One goroutine uses it.
type sampler struct {
	*comparison
	session   *run.Session
	samples   []sampled
	emptyPart int64 // the size of a part without rows
	notes     []string
}

// measure returns what the samples cost, nil where none could be read.
func (s *sampler) measure(ctx context.Context, cfg estimate.Config) (costs *estimate.Calibration, err error) {
	groups := make([]estimate.Group, len(s.samples))
	for i, g := range s.samples {
		groups[i] = g.Group
	}
	err = s.session.Alive(ctx, func(ctx context.Context) (err error) {
		costs, err = estimate.Calibrate(ctx, cfg, groups, s.score)
		return err
	})
	return costs, err
}

// score scores pieces as a run does, but for writing: parts are laid out and measured, and kept nowhere.
func (s *sampler) score(ctx context.Context, pieces []estimate.Piece) (estimate.Sample, error) {
	parts := make([]*writers.SizeCounter, len(pieces))
	shards := make([]pipeline.Shard, len(pieces))
	for k, p := range pieces {
		g := s.samples[p.Group]
		sh := g.shard.Sample(g.first, g.last, p.Rows)
		shards[k] = pipeline.Shard{
			Name: sh.Part, Rows: sh.Rows,
			Open: func(ctx context.Context) (pipeline.Source, error) {
				return s.in.Plan.Open(ctx, &sh, s.contract.Wanted())
			},
			Create: func(context.Context) (pipeline.Sink, error) {
				part, err := s.measuredPart(&sh)
				parts[k] = part
				return part, err
			},
		}
	}
	cfg, patient := s.contract.Tune(s.session, run.Options{})
	cfg.ShardsAtOnce = 4 // pieces are small: their beginnings and ends must not be what is measured
	counter := &byteCounter{next: patient, now: s.in.Now}
	begun := s.in.Now()
	result, err := pipeline.Run(ctx, cfg, shards, counter)
	if err != nil {
		return estimate.Sample{}, err
	}
	sum := estimate.Sample{
		Rows: result.Counts.Rows, Quarantined: result.Counts.Quarantined, Bytes: counter.bytes.Load(),
		Filling: counter.since(begun),
		Peak:    run.PeakMemory() + s.session.PeakMemory(),
	}
	for k, r := range result.Shards {
		if r.Outcome == pipeline.Scored {
			sum.Output += max(0, parts[k].Bytes()-s.emptyPart)
			continue
		}
		sum.Unread = append(sum.Unread, k)
		note := fmt.Sprintf("a run would refuse a file: %v", r.Err)
		if !slices.Contains(s.notes, note) {
			s.notes = append(s.notes, note)
		}
	}
	return sum, nil
}

// measuredPart measures the part of a shard.
func (s *sampler) measuredPart(sh *readers.Shard) (*writers.SizeCounter, error) {
	return writers.NewSizeCounter(s.contract.Spec(sh), s.contract.Contents())
}

// sizeOfEmptyPart is the size of a part of the shard at a place in the plan, without rows.
func (s *sampler) sizeOfEmptyPart(ctx context.Context, place int) (int64, error) {
	part, err := s.measuredPart(&s.in.Plan.Shards[place])
	if err == nil {
		err = part.Commit(ctx)
	}
	if err != nil {
		return 0, err
	}
	return part.Bytes(), nil
}

// byteCounter counts the bytes of graphs that were scored, and notes when the first request began.
type byteCounter struct {
	next  pipeline.Scorer
	now   func() time.Time
	bytes atomic.Int64
	once  sync.Once
	first time.Time
}

// since is the time from then to the first request, 0 where there was none.
func (c *byteCounter) since(then time.Time) time.Duration {
	if c.first.IsZero() {
		return 0
	}
	return c.first.Sub(then)
}

func (c *byteCounter) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	c.once.Do(func() { c.first = c.now() })
	s, err := c.next.Score(ctx, b)
	if err != nil {
		return s, err
	}
	bytes := b.Bytes()
	for _, f := range s.Failed {
		bytes -= b.GraphBytes(f.Graph)
	}
	c.bytes.Add(bytes)
	return s, nil
}

// sampled is a run of row groups of a shard that may be scored as a sample.
type sampled struct {
	estimate.Group
	shard       *readers.Shard
	first, last int
}

// samples cuts the shards at these places into what may be scored as a sample.
func (c *comparison) samples(places []int) (samples []sampled) {
	for _, i := range places {
		sh := &c.in.Plan.Shards[i]
		samples = append(samples, samplesOf(sh, c.groups(sh))...)
	}
	return samples
}

// sampleBytes is what row groups are put together to, where they are smaller: opening a file must not be what a
// sample measures, unless files are small.
const sampleBytes = 1 << 20

// samplesOf cuts a shard into what may be scored as a sample.
func samplesOf(sh *readers.Shard, groups []estimate.Group) []sampled {
	var out []sampled
	for i, g := range groups {
		if n := len(out); n > 0 && out[n-1].Bytes < sampleBytes {
			out[n-1].last++
			out[n-1].Group = estimate.Total([]estimate.Group{out[n-1].Group, g})
			continue
		}
		at := sh.FirstGroup + i
		out = append(out, sampled{Group: g, shard: sh, first: at, last: at})
	}
	return out
}
