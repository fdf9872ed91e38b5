package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"graphscore/pipeline"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/local"
	"graphscore/readers"
	"graphscore/writers"
)

// calibrationReport is what sampling says of a run.
type calibrationReport struct {
	Workers            int     `json:"workers"`
	SampledGraphs      int64   `json:"sampled_graphs"`
	SampledQuarantined int64   `json:"sampled_quarantined"`
	SampledSeconds     float64 `json:"sampled_seconds"`
	StartupSeconds     float64 `json:"startup_seconds"`
	// WorkersMemoryKnown is false for servers elsewhere: memory is then that of graphscore alone.
	WorkersMemoryKnown bool `json:"workers_memory_known"`
	estimate.Projection
	PricePerHour float64 `json:"price_per_hour"`
	// Price is zero without a price per hour.
	Price estimate.Range `json:"price"`
}

// calibrated samples the groups of the plan with what would score them.
func (d *dryRun) calibrated(ctx context.Context) (report *calibrationReport, err error) {
	startup := d.now().Sub(d.start)
	d.log.InfoContext(ctx, "calibrating", "seconds", d.sample.Seconds(), "workers", d.workers())
	if d.empty, err = d.emptyPart(ctx); err != nil {
		return nil, err
	}
	groups := make([]estimate.Group, len(d.samples))
	for i, g := range d.samples {
		groups[i] = g.Group
	}
	var c *estimate.Calibration
	err = d.session.alive(ctx, func(ctx context.Context) (err error) {
		c, err = estimate.Calibrate(ctx, estimate.Config{Budget: d.sample, Now: d.now}, groups, d.scoreSample)
		return err
	})
	if err == nil && c == nil {
		d.notes = append(d.notes, "no sample could be read, so no speed can be told")
	}
	if err != nil || c == nil {
		return nil, err
	}
	sum, took := c.Sampled()
	report = &calibrationReport{
		Workers: d.workers(), SampledGraphs: sum.Rows, SampledQuarantined: sum.Quarantined,
		SampledSeconds: took.Seconds(), StartupSeconds: startup.Seconds(), WorkersMemoryKnown: d.session.pool != nil,
		Projection: c.Project(estimate.Rest{
			Startup: startup, Parts: len(d.todo), PartBytes: d.empty, InFlightBytes: int64(d.job.Limits.InFlightBytes),
		}),
		PricePerHour: d.price,
	}
	report.Price = estimate.Price(report.Seconds, d.price)
	return report, nil
}

// scoreSample scores pieces as a run does, but for writing: parts are laid out and measured, and kept nowhere.
func (d *dryRun) scoreSample(ctx context.Context, pieces []estimate.Piece) (estimate.Sample, error) {
	scales := make([]*writers.Scale, len(pieces))
	shards := make([]pipeline.Shard, len(pieces))
	for k, p := range pieces {
		g := d.samples[p.Group]
		sh := g.shard.Sample(g.first, g.last, p.Rows)
		shards[k] = pipeline.Shard{
			Name: sh.Part, Rows: sh.Rows,
			Open: func(ctx context.Context) (pipeline.Source, error) {
				return d.plan.Open(ctx, &sh, d.session.model.InFeatures)
			},
			Create: func(context.Context) (pipeline.Sink, error) {
				scale, err := d.scale(&sh)
				scales[k] = scale
				return scale, err
			},
		}
	}
	cfg, patient := d.tuned()
	cfg.ShardsAtOnce = 4 // pieces are small: their beginnings and ends must not be what is measured
	weighing := &weigher{next: patient}
	result, err := pipeline.Run(ctx, cfg, shards, weighing)
	if err != nil {
		return estimate.Sample{}, err
	}
	s := estimate.Sample{
		Rows: result.Counts.Rows, Quarantined: result.Counts.Quarantined, Bytes: weighing.bytes.Load(), Peak: local.PeakMemory(os.Getpid()),
	}
	if d.session.pool != nil {
		s.Peak += d.session.pool.PeakMemory()
	}
	for k, r := range result.Shards {
		if r.Outcome == pipeline.Scored {
			s.Output += max(0, scales[k].Bytes()-d.empty)
			continue
		}
		s.Unread = append(s.Unread, k)
		note := fmt.Sprintf("a run would refuse a file: %v", r.Err)
		if !slices.Contains(d.notes, note) {
			d.notes = append(d.notes, note)
		}
	}
	return s, nil
}

// scale measures the part of a shard.
func (d *dryRun) scale(sh *readers.Shard) (*writers.Scale, error) {
	return writers.NewScale(d.spec(sh), writers.Contents{
		Settings: d.settings(), GraphIDs: d.plan.GraphIDs, NodeIDs: d.plan.NodeIDs, Outputs: d.session.model.Outputs,
	})
}

// emptyPart is the size of a part without rows.
func (d *dryRun) emptyPart(ctx context.Context) (int64, error) {
	scale, err := d.scale(&d.plan.Shards[d.todo[0]])
	if err == nil {
		err = scale.Commit(ctx)
	}
	if err != nil {
		return 0, err
	}
	return scale.Bytes(), nil
}

// weigher counts the bytes of graphs that were scored.
type weigher struct {
	next  pipeline.Scorer
	bytes atomic.Int64
}

func (w *weigher) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	s, err := w.next.Score(ctx, b)
	if err != nil {
		return s, err
	}
	bytes := b.Bytes()
	for _, f := range s.Failed {
		bytes -= graph.ColumnBytes(b.GraphNodes(f.Graph), b.GraphEdges(f.Graph), b.Width, b.Weights != nil)
	}
	w.bytes.Add(bytes)
	return s, nil
}
