package run

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/remote"
	"graphscore/writers"
)

// stream scores the shards that are not done.
func (x *execution) stream(ctx context.Context, s *Session, output *writers.Output) error {
	if x.work.changes() || len(x.in.Plan.Refused)+len(x.in.Plan.LeftOut.Unfinished) > 0 {
		if err := output.Begin(); err != nil {
			return err
		}
	}
	cfg, scorer := x.contract.Tune(s, x.opt)
	x.calls, x.streamed = cfg.Calls, true
	cfg.Answered = func() { // while the last parts are written, the workers end
		x.workerMemory = s.PeakMemory()
		x.opt.Lender.Leave(s)
	}
	var total int64
	shards := make([]pipeline.Shard, len(x.work.todo))
	for k, i := range x.work.todo {
		shards[k] = x.shard(i, output)
		total += shards[k].Rows
	}
	x.goOn(shards)
	score := func(ctx context.Context) error {
		return s.Alive(ctx, func(ctx context.Context) error {
			result, err := pipeline.Run(ctx, cfg, shards, scorer)
			if result != nil {
				x.result = *result
			}
			return err
		})
	}
	return x.opt.Show(ctx, total, func(ctx context.Context) error {
		return x.throughput.during(ctx, x.in.Start, x.opt.Progress, score)
	})
}

// goOn has the first shard go on with the graphs that were compared with the model, where they are its own. Those of another
// one are read again: they would be held until its turn comes.
func (x *execution) goOn(shards []pipeline.Shard) {
	if len(shards) == 0 || !x.begun.Of(&x.in.Plan.Shards[x.work.todo[0]]) {
		x.begun.Close()
		return
	}
	shards[0].Giant = x.begun.Giant()
	shards[0].Open = func(ctx context.Context) (pipeline.Source, error) {
		return x.begun.Open(ctx, x.contract.Wanted())
	}
}

// shard wires shard i of the plan.
func (x *execution) shard(i int, output *writers.Output) pipeline.Shard {
	sh := &x.in.Plan.Shards[i]
	return pipeline.Shard{
		Name: sh.Part, Rows: sh.Rows,
		Open: func(ctx context.Context) (pipeline.Source, error) {
			return x.in.Plan.Open(ctx, sh, x.contract.Wanted())
		},
		Create: func(ctx context.Context) (pipeline.Sink, error) {
			sink, err := output.Create(ctx, x.contract.Spec(sh), x.contract.Contents())
			if err != nil {
				return nil, err
			}
			return x.budget.of(sh.File.Rel, x.numbering.of(sh.File, sink)), nil
		},
	}
}

// Tune bounds the pipeline of the job, and returns the scorer of the session with all its retries.
func (c *Contract) Tune(s *Session, options Options) (pipeline.Config, pipeline.Scorer) {
	options = options.withDefaults()
	job, scorer, count := c.in.Job, s.Scorer(c.Width), max(1, s.Workers(c.in.Job))
	traits := remote.TraitsOf(job.Server.Protocol)
	cfg := pipeline.Config{
		Outputs:       len(s.Model.Outputs),
		Embedding:     s.Model.Embedding.Width,
		Level:         s.Model.Level,
		ShardsAtOnce:  shardsAtOnce(runtime.GOMAXPROCS(0)),
		RequestBytes:  int64(job.Limits.RequestBytes),
		InFlightBytes: int64(job.Limits.InFlightBytes),
		MaxGraphBytes: scorer.Limit(), GraphBytes: scorer.GraphBytes,
		Calls:    traits.CallsPerWorker * count,
		Progress: options.Progress, Log: c.in.Log,
		Begin: func(ctx context.Context, shard string) (context.Context, func(pipeline.ShardResult)) {
			ctx, end := options.Begin(ctx, shard)
			return remote.Label(ctx, c.in.ID, shard), end
		},
	}
	if traits.OneGraph {
		cfg.RequestGraphs = 1
	}
	if n := options.Share; n > 1 { // runs at once share what one may have
		cfg.InFlightBytes, cfg.Calls = max(1, cfg.InFlightBytes/int64(n)), (cfg.Calls+n-1)/n
	}
	return cfg, s.Patient(options.Wrap(scorer), c.in.Config, options.Progress)
}

// Workers is the number of processes that score: behind one address there may be more, as the job says.
func (s Served) Workers(job *jobs.Job) int { return max(len(s.Addresses), job.Workers) }

// LimitMemory makes the collector begin earlier than it would: batches are filled again, so that it has little to
// do, and what it leaves is most of the peak. It works harder still before the heap of a few giant graphs doubles,
// far above what other runs need. GOGC and GOMEMLIMIT override this.
func LimitMemory(limits jobs.Limits) {
	if os.Getenv("GOGC") == "" {
		collectLate()
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(limits, runtime.GOMAXPROCS(0)))
	}
}

// gcPercent is how much garbage there may be, as a share of what is in use. firstGCPercent is that before the first
// collection, which comes at ten times 4 MB: until there are batches and parts to fill again, what is allocated stays, and
// a collection at each 4, 6, 8 MB, ... would stop the readers for nothing.
const gcPercent, firstGCPercent = 35, 1000

// collectLate sets both.
func collectLate() {
	debug.SetGCPercent(firstGCPercent)
	unused := new([64]byte) // large enough for a place of its own, so that the first collection finds it
	runtime.AddCleanup(unused, func(percent int) { debug.SetGCPercent(percent) }, gcPercent)
}

// memoryLimit is the heap from which the collector works harder. It has room for the parts of all shards that are read at once,
// or with many CPUs the collector would take half of them.
func memoryLimit(limits jobs.Limits, cpus int) int64 {
	const few = 8 // shards, whose parts fit into the first term
	return 256<<20 + 4*int64(limits.InFlightBytes) + int64(max(0, shardsAtOnce(cpus)-few))*partBytes
}

// partBytes is what a part takes that is being written, at most levels.
const partBytes = 20 << 20

// DefaultWorkers leaves one CPU of three or more to reading and writing: on two, the stages share both. A task of Slurm
// has the CPUs that it was given, and not those that its machine has.
func DefaultWorkers(getenv func(string) string) int {
	cpus := runtime.GOMAXPROCS(0)
	if given, err := strconv.Atoi(getenv("SLURM_CPUS_PER_TASK")); err == nil && given > 0 {
		cpus = min(cpus, given)
	}
	if cpus > 2 {
		return cpus - 1
	}
	return cpus
}

// shardsAtOnce is one for every two CPUs: reading and writing a shard of small graphs keeps two workers busy. Each
// takes some 20 MB for its part. With fewer than these, reading alone would keep 20 workers from being busy: see TestWorkers
// of package pipeline.
func shardsAtOnce(cpus int) int { return min(max(2, cpus/2), 32) }
