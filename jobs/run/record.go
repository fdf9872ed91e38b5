package run

import (
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"graphscore/pipeline"
	"graphscore/readers"
	"graphscore/writers/record"
)

// record says what the run was and how it went; err is how it ends. It is complete however early that was.
func (x *execution) record(ctx context.Context, err error) record.Run {
	in, job := x.in, x.in.Job
	now, host := in.Now(), hostname()
	rec := record.Run{
		RunID: in.ID, Name: job.Name,
		Started: in.Start.UTC().Format(time.RFC3339), Finished: now.UTC().Format(time.RFC3339),
		Seconds: Elapsed(in.Start, now), StartupSeconds: Elapsed(in.Start, now),
		Host: host, PID: os.Getpid(), Version: BuildVersion(), GoVersion: runtime.Version(),
		ArrowVersion: ModuleVersion(ArrowModule), GRPCVersion: ModuleVersion(GRPCModule),
		Protocol: job.Server.Protocol, Output: job.Output.Path,
		Previous: x.previous, Gates: x.gates, Inputs: job.Input.Path.Strings(),
		Counts: x.counts(), QuarantinedByCode: x.quarantinedByCode(), Refused: x.refused(), Shards: x.shardRecords(),
		LeftOut: in.LeftOut(), ColumnsRead: in.Plan.ColumnsRead(x.contract.Wanted().Inputs), Orphaned: x.work.Orphaned, Pruned: x.work.Pruned,
		Workers: len(x.served.Addresses), Addresses: x.served.Addresses,
		Machine: ThisMachine(), Limits: limitsOf(job, x.served), Model: record.NewModel(&x.served.Model),
	}
	if err = Stopped(ctx, err); err != nil {
		rec.ExitCode, rec.Error = ExitCode(err), err.Error()
	}
	if first := x.opt.Progress.FirstRequest(); !first.IsZero() {
		rec.StartupSeconds = Elapsed(in.Start, first)
	}
	rec.Throughput = x.throughput.ended(rec.Seconds, x.opt.Progress.Rows())
	stages := x.opt.Progress.Stages()
	rec.Stages = record.Stages{
		Read: stages.Read.Seconds(), Pack: stages.Pack.Seconds(), Transport: stages.Transport.Seconds(),
		Model: stages.Model.Seconds(), Write: stages.Write.Seconds(),
		Cut: stages.Cut.Seconds(), ReadWait: stages.ReadWait.Seconds(), WriteWait: stages.WriteWait.Seconds(),
		Elapsed: stages.Elapsed.Seconds(),
	}
	rec.PeakMemory = record.PeakMemory{Go: PeakMemory(), Workers: x.workerMemory}
	if x.contract.agreed() {
		rec.Settings, rec.SettingsDigest = x.contract.Settings, x.contract.Settings.Digest()
		rec.Model.InFeatures = x.contract.Width
	}
	return rec
}

// hostname is "" for a machine without a name.
func hostname() string {
	host, _ := os.Hostname()
	return host
}

// Elapsed is the time between two moments, in seconds: none where the clock stepped back.
func Elapsed(start, end time.Time) float64 { return max(0, end.Sub(start).Seconds()) }

// counts sums up the run. Skipped counts the rows of parts that were done before.
func (x *execution) counts() record.Counts {
	c := record.Counts{
		Files: int64(x.in.Files()), FilesRefused: int64(len(x.refused())),
		Shards: int64(len(x.in.Plan.Shards)), Requests: x.opt.Progress.Requests.Load(), Retries: x.opt.Progress.Retries.Load(),
		Orphaned: int64(len(x.work.Orphaned)),
	}
	for i := range x.in.Plan.Shards {
		c.RowsPlanned += x.in.Plan.Shards[i].Rows
	}
	for _, l := range x.work.Footers {
		if l != nil {
			c.ShardsSkipped++
			c.Skipped += l.RowsIn
		}
	}
	n := x.result.Counts
	c.Scored, c.Quarantined, c.Nodes, c.Edges = n.Scored, n.Quarantined, n.Nodes, n.Edges
	c.RowsIn = c.Scored + c.Quarantined + c.Skipped
	return c
}

// accounted checks that every row of every shard that is done was scored, quarantined or skipped.
func (x *execution) accounted() error {
	var want int64
	for i, l := range x.work.Footers {
		if l != nil {
			want += x.in.Plan.Shards[i].Rows
		}
	}
	for k, s := range x.result.Shards {
		if s.Outcome == pipeline.Scored {
			want += x.in.Plan.Shards[x.work.todo[k]].Rows
		}
	}
	if got := x.counts().RowsIn; got != want {
		return &pipeline.CountError{Shard: "all", Got: got, Want: want}
	}
	return nil
}

// quarantinedByCode counts the graphs in quarantine by reason: those of this run, and those of skipped parts,
// which are in quarantine still.
func (x *execution) quarantinedByCode() map[string]int64 {
	codes := map[string]int64{}
	for code, n := range x.result.Counts.Codes {
		codes[string(code)] += n
	}
	for _, l := range x.work.Footers {
		if l != nil {
			for code, n := range l.Codes {
				codes[code] += n
			}
		}
	}
	return codes
}

// quarantined is the number of graphs in quarantine in the output as it is now.
func (x *execution) quarantined() int64 {
	var sum int64
	for _, n := range x.quarantinedByCode() {
		sum += n
	}
	return sum
}

// refused lists every file that could not be read, by planning or later, with the first reason.
func (x *execution) refused() []record.RefusedFile {
	list := refusedFiles(x.in.Plan, x.work.todo, &x.result)
	if len(x.tasks) > 0 {
		list = x.addRefused(list)
	}
	return list
}

// LeftOut counts the names of the input that no rule lets a run read.
func (in *Input) LeftOut() record.LeftOut {
	left := &in.Plan.LeftOut
	return record.LeftOut{
		Underscore: int64(len(left.Underscore)), Dot: int64(len(left.Dot)), Other: int64(len(left.Other)),
		Unfinished: int64(len(left.Unfinished)),
	}
}

// refusedFiles lists the files of a plan that could not be read, in the order of their paths. The shards of result
// are those of the plan at the places todo.
func refusedFiles(plan *readers.Plan, todo []int, result *pipeline.Result) []record.RefusedFile {
	reasons := map[string]string{}
	for _, f := range plan.Refused {
		reasons[f.Path] = f.Error()
	}
	for k, s := range result.Shards {
		path := plan.Shards[todo[k]].File.Path
		if s.Outcome == pipeline.RefusedInput && reasons[path] == "" {
			reasons[path] = s.Err.Error()
		}
	}
	var list []record.RefusedFile
	for _, path := range slices.Sorted(maps.Keys(reasons)) {
		list = append(list, record.RefusedFile{File: path, Reason: reasons[path]})
	}
	return list
}

// allShards are the places of all shards of a plan.
func allShards(plan *readers.Plan) []int {
	places := make([]int, len(plan.Shards))
	for i := range places {
		places[i] = i
	}
	return places
}

func (x *execution) shardRecords() []record.Shard {
	records := make([]record.Shard, len(x.in.Plan.Shards))
	for i := range records {
		sh := &x.in.Plan.Shards[i]
		records[i] = record.Shard{
			Part: sh.Part, Input: sh.File.Rel, FirstGroup: sh.FirstGroup, LastGroup: sh.LastGroup,
			Outcome: string(pipeline.Failed),
		}
		if l := x.work.Footers[i]; l != nil {
			rec := &records[i]
			rec.Outcome, rec.RowsIn, rec.Scored, rec.Quarantined, rec.Nodes = record.ShardSkipped, l.RowsIn, l.Scored, l.Quarantined, l.Nodes
		}
	}
	for k, s := range x.result.Shards {
		rec := &records[x.work.todo[k]]
		rec.Outcome, rec.Seconds = string(s.Outcome), s.Elapsed.Seconds()
		rec.RowsIn, rec.Scored, rec.Quarantined, rec.Nodes = s.Counts.Rows, s.Counts.Scored, s.Counts.Quarantined, s.Counts.Nodes
		if s.Err != nil {
			rec.Reason = s.Err.Error()
		}
	}
	return records
}
