package cli

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"graphscore/pipeline"
	"graphscore/pipeline/local"
	"graphscore/writers/record"
)

// record says what the run was and how it went; err is how it ends. It is complete however early that was.
func (r *run) record(err error) *record.Run {
	now := r.now()
	host, _ := os.Hostname() // a machine without a name has none in the record
	rec := &record.Run{
		RunID: r.id, Name: r.job.Name,
		Started: r.start.UTC().Format(time.RFC3339), Finished: now.UTC().Format(time.RFC3339),
		Seconds: elapsed(r.start, now), StartupSeconds: elapsed(r.start, now),
		Host: host, PID: os.Getpid(), Version: buildVersion(), GoVersion: runtime.Version(),
		ArrowVersion: moduleVersion("github.com/apache/arrow/go/v15"), GRPCVersion: moduleVersion("google.golang.org/grpc"),
		Protocol: r.job.Server.Protocol, Output: r.job.Output.Path,
		Previous: r.previous, Gates: r.gates,
		Counts: r.counts(), QuarantinedByCode: r.quarantinedByCode(), Refused: r.refused(), Shards: r.shardRecords(),
	}
	if err = r.signalled(err); err != nil {
		rec.ExitCode, rec.Error = exitCode(err), err.Error()
	}
	for _, p := range r.job.Input.Path {
		rec.Inputs = append(rec.Inputs, p.Path)
	}
	if first := r.progress.FirstRequest(); !first.IsZero() {
		rec.StartupSeconds = elapsed(r.start, first)
	}
	rec.Throughput = r.throughput.ended(rec.Seconds, r.progress.Rows())
	stages := r.progress.Stages()
	rec.Stages = record.Stages{
		Read: stages.Read.Seconds(), Pack: stages.Pack.Seconds(), Transport: stages.Transport.Seconds(),
		Model: stages.Model.Seconds(), Write: stages.Write.Seconds(),
		Cut: stages.Cut.Seconds(), ReadWait: stages.ReadWait.Seconds(), WriteWait: stages.WriteWait.Seconds(),
		Elapsed: stages.Elapsed.Seconds(),
	}
	rec.PeakMemory = record.PeakMemory{Go: local.PeakMemory(os.Getpid()), Workers: r.workerMemory}
	if s := r.session; s != nil && s.model != nil {
		rec.Workers, rec.Addresses = len(s.cfg.Addresses), s.cfg.Addresses
		rec.Model = record.Model{
			Name: s.model.Name, Digest: s.model.Digest, InFeatures: s.model.InFeatures, Outputs: s.model.Outputs,
			Engine: s.model.Engine, BLAS: s.model.BLAS, Versions: s.model.Versions,
		}
		rec.Settings = r.settings()
		rec.SettingsDigest = rec.Settings.Digest()
	}
	return rec
}

// elapsed is the time between two moments, in seconds: none where the clock stepped back.
func elapsed(start, end time.Time) float64 { return max(0, end.Sub(start).Seconds()) }

// counts sums up the run. Skipped counts the rows of parts that were done before.
func (r *run) counts() record.Counts {
	c := record.Counts{
		Files: int64(len(r.plan.Files) + len(r.plan.Refused)), FilesRefused: int64(len(r.refused())),
		Shards: int64(len(r.plan.Shards)), Requests: r.progress.Requests.Load(), Retries: r.progress.Retries.Load(),
	}
	if r.work != nil {
		c.Orphaned = int64(len(r.work.Orphaned))
		for _, l := range r.work.Footers {
			if l != nil {
				c.ShardsSkipped++
				c.Skipped += l.RowsIn
			}
		}
	}
	if r.result != nil {
		n := r.result.Counts
		c.Scored, c.Quarantined, c.Nodes, c.Edges = n.Scored, n.Quarantined, n.Nodes, n.Edges
	}
	c.RowsIn = c.Scored + c.Quarantined + c.Skipped
	return c
}

// accounted checks that every row of every shard that is done was scored, quarantined or skipped.
func (r *run) accounted() error {
	var want int64
	done := func(i int) { want += r.plan.Shards[i].Rows }
	for i, l := range r.work.Footers {
		if l != nil {
			done(i)
		}
	}
	for k, s := range r.result.Shards {
		if s.Outcome == pipeline.Scored {
			done(r.todo[k])
		}
	}
	if got := r.counts().RowsIn; got != want {
		return &pipeline.CountError{Shard: "all", Got: got, Want: want}
	}
	return nil
}

// quarantinedByCode counts the graphs in quarantine by reason: those of this run, and those of skipped parts,
// which are in quarantine still.
func (r *run) quarantinedByCode() map[string]int64 {
	codes := map[string]int64{}
	if r.result != nil {
		for code, n := range r.result.Counts.Codes {
			codes[string(code)] += n
		}
	}
	if r.work != nil {
		for _, l := range r.work.Footers {
			if l != nil {
				for code, n := range l.Codes {
					codes[code] += n
				}
			}
		}
	}
	return codes
}

// quarantined is the number of graphs in quarantine as the output stands.
func (r *run) quarantined() int64 {
	var sum int64
	for _, n := range r.quarantinedByCode() {
		sum += n
	}
	return sum
}

// refused lists every file that could not be read, by planning or later, with the first reason.
func (r *run) refused() []record.RefusedFile {
	reasons := map[string]string{}
	for _, f := range r.plan.Refused {
		reasons[f.Path] = f.Error()
	}
	if r.result != nil {
		for k, s := range r.result.Shards {
			path := r.plan.Shards[r.todo[k]].File.Path
			if s.Outcome == pipeline.RefusedInput && reasons[path] == "" {
				reasons[path] = s.Err.Error()
			}
		}
	}
	var list []record.RefusedFile
	for _, path := range slices.Sorted(maps.Keys(reasons)) {
		list = append(list, record.RefusedFile{File: path, Reason: reasons[path]})
	}
	return list
}

func (r *run) shardRecords() []record.Shard {
	records := make([]record.Shard, len(r.plan.Shards))
	for i := range r.plan.Shards {
		sh := &r.plan.Shards[i]
		records[i] = record.Shard{
			Part: sh.Part, Input: sh.File.Rel, FirstGroup: sh.FirstGroup, LastGroup: sh.LastGroup,
			Outcome: string(pipeline.Failed),
		}
		if r.work != nil && r.work.Footers[i] != nil {
			l := r.work.Footers[i]
			rec := &records[i]
			rec.Outcome, rec.RowsIn, rec.Scored, rec.Quarantined, rec.Nodes = "skipped", l.RowsIn, l.Scored, l.Quarantined, l.Nodes
		}
	}
	if r.result == nil {
		return records
	}
	for k, s := range r.result.Shards {
		rec := &records[r.todo[k]]
		rec.Outcome, rec.Seconds = string(s.Outcome), s.Elapsed.Seconds()
		rec.RowsIn, rec.Scored, rec.Quarantined, rec.Nodes = s.Counts.Rows, s.Counts.Scored, s.Counts.Quarantined, s.Counts.Nodes
		if s.Err != nil {
			rec.Reason = s.Err.Error()
		}
	}
	return records
}
