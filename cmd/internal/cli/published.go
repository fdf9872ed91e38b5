package cli

import (
	"cmp"
	"context"
	"errors"
	"os"

	"graphscore/jobs"
	"graphscore/jobs/backfill"
	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/observe"
	"graphscore/writers"
	"graphscore/writers/record"
)

// series is which metrics of a job a command publishes: those of its nights, unless it says otherwise.
type series struct {
	// none is why it publishes nothing, "" where it does.
	none string
	// backfill is true for those of backfills of the calendar.
	backfill bool
	// ownOutput is true where the job is not that of a file alone.
	ownOutput bool
}

// apart is why a command is no night of its job, so that what is known of those stays; "" where it is one.
func (f *jobFlags) apart() string {
	switch {
	case f.limit > 0:
		return "--limit makes it a trial"
	case f.elsewhere != "":
		return f.elsewhere + " is not that of the job file"
	case f.date != "":
		return "--date makes it a run of a single date"
	}
	return ""
}

// publish says in metrics how the command ended, where the job is known and wants any.
func (m *monitor) publish(ctx context.Context, ended error) {
	if m.job == nil || m.job.Metrics.Textfile == "" && m.job.Metrics.Pushgateway == "" {
		return
	}
	if m.series.none != "" {
		m.log.InfoContext(ctx, "the metrics of the job stay as they are", "reason", m.series.none)
		return
	}
	last := m.last(ctx, ended)
	if folder := m.job.Metrics.Textfile; folder != "" {
		path := observe.TextfilePath(folder, last.Job.Name, last.Backfill)
		m.delivered(ctx, "could not write "+path, observe.WriteTextfile(ctx, path, last))
	}
	if url := m.job.Metrics.Pushgateway; url != "" && jobs.CheckPushgateway(url) == nil {
		password, err := observe.PushgatewayPassword(os.Getenv)
		if err == nil {
			gateway := observe.Pushgateway{URL: url, User: os.Getenv(observe.PushUserVariable), Password: password}
			err = gateway.Push(ctx, last)
		}
		m.delivered(ctx, "could not push metrics", err)
	}
}

// delivered warns of an error, which is that of metrics that were not published unless it says otherwise.
func (m *monitor) delivered(ctx context.Context, not string, err error) {
	var lost *observe.LostError
	switch {
	case errors.As(err, &lost):
		m.log.WarnContext(ctx, "metrics were published without those of before", "error", err)
	case err != nil:
		m.log.WarnContext(ctx, not+"; the run is not affected", "error", err)
	}
}

// last is what metrics say of the command. A command that came to no record of its own speaks of the output as the last
// one left it.
func (m *monitor) last(ctx context.Context, ended error) *observe.LastRun {
	now, code := m.now(), run.ExitCode(ended)
	last := &observe.LastRun{
		Job: run.Watched(m.job), Backfill: m.series.backfill, OneDate: m.job.Series != nil, Ended: now, ExitCode: code, TurnedAway: code == exit.Locked,
		Seconds: run.Elapsed(m.start, now), StartupSeconds: run.Elapsed(m.start, now), PeakRun: run.PeakMemory(),
	}
	if m.series.ownOutput {
		last.Job.File = ""
	}
	m.figures(last)
	if last.Output == nil && !last.TurnedAway && !m.job.Partitioned() {
		last.Output = output(m.ended(ctx, m.job.Output.Path))
	}
	return last
}

// ended is the newest record in an output of a run that came to its end, nil without one.
func (m *monitor) ended(ctx context.Context, output string) *record.Run {
	rec, err := run.LastEnded(output)
	if err != nil {
		m.log.WarnContext(ctx, "metrics do not count what an output holds", "error", err)
	}
	return rec
}

// lastRun adds the figures of a run that came as far as a record.
func (m *monitor) lastRun(ctx context.Context, l *observe.LastRun, rec *record.Run) {
	addCounts(l, &rec.Counts)
	l.StartupSeconds, l.PeakWorkers = rec.StartupSeconds, rec.PeakMemory.Workers
	l.Success = succeeded(l.ExitCode, rec)
	if !run.CameToItsEnd(rec) {
		rec = m.ended(ctx, rec.Output)
	}
	l.Output = output(rec)
}

// succeeded reports whether a run with a record ended well and its output has scores: one of no graphs, or of graphs that
// are all in quarantine, is no success.
func succeeded(code int, rec *record.Run) bool {
	if rec == nil || code != exit.Done && code != exit.Partly {
		return false
	}
	scored, _ := run.Standing(rec)
	return scored > 0
}

// lastBackfill adds the figures of a backfill: sums over its dates.
func (m *monitor) lastBackfill(ctx context.Context, l *observe.LastRun, job *jobs.Job, b *backfill.Ended) {
	if !b.FirstRequest.IsZero() {
		l.StartupSeconds = run.Elapsed(m.start, b.FirstRequest)
	}
	l.PeakWorkers, l.Dates = b.WorkerMemory, map[string]int64{}
	if !l.Backfill {
		for _, reason := range observe.Reasons() {
			l.Dates[reason] = 0
		}
	}
	records := make([]*record.Run, len(b.Dates))
	done := false
	for i := range b.Dates {
		d := &b.Dates[i]
		addCounts(l, &d.Counts)
		records[i] = &d.Run.Record
		if !d.Run.Recorded || !run.CameToItsEnd(records[i]) {
			records[i] = m.ended(ctx, d.Output)
		}
		switch reason := m.withoutSuccess(ctx, job, d); {
		case l.Backfill:
			l.Dates[d.Outcome]++
		case reason != "":
			l.Dates[reason]++
		}
		worked := d.Outcome == record.DateScored || d.Outcome == record.DateDone
		l.TurnedAway = l.TurnedAway && d.Outcome != record.DateScored
		// Of the dates of a night only the last one is due: how older ones ended says nothing of it, and they have alerts
		// of their own.
		done = worked && succeeded(d.ExitCode, records[i]) || l.Backfill && done
	}
	l.Success = done && (!l.Backfill || l.ExitCode == exit.Done || l.ExitCode == exit.Partly)
	if l.Output = output(records...); l.Output == nil {
		l.Output = &observe.Output{} // what the dates before them held is out of the window
	}
}

// withoutSuccess is why a date has no _SUCCESS, "" where it has one.
func (m *monitor) withoutSuccess(ctx context.Context, job *jobs.Job, d *backfill.Date) string {
	is, err := writers.NewView(d.Output).Succeeded()
	if err != nil {
		m.log.WarnContext(ctx, "metrics count a date as one that failed", "date", d.Date, "error", err)
	}
	switch {
	case is:
		return ""
	case d.Outcome == record.DateNoInput && job.Input.Optional:
		return observe.Optional
	case d.Outcome == record.DateNoInput, d.ExitCode == exit.NotThere:
		return observe.NoInput
	case d.ExitCode == exit.Locked:
		return observe.Waiting
	case d.Outcome == record.DateFailed, err != nil:
		return observe.Failed
	case d.Outcome == record.DateScored, d.Outcome == record.DateDone:
		return observe.Incomplete
	}
	return observe.NotRun
}

// output sums up what the outputs of records hold. It is nil where there is no record: nobody knows.
func output(records ...*record.Run) *observe.Output {
	var sum *observe.Output
	for _, rec := range records {
		if rec == nil {
			continue
		}
		sum = cmp.Or(sum, &observe.Output{Codes: map[string]int64{}})
		scored, quarantined := run.Standing(rec)
		sum.Scored += scored
		sum.Quarantined += quarantined
		sum.Orphaned += int64(len(rec.Orphaned))
		sum.FilesRead += rec.Counts.Files - rec.Counts.FilesRefused
		sum.FilesRefused += rec.Counts.FilesRefused
		for code, n := range rec.QuarantinedByCode {
			sum.Codes[code] += n
		}
		for i := range rec.Gates {
			if !rec.Gates[i].Passed {
				sum.GatesFailed++
			}
		}
	}
	return sum
}

// addCounts adds what a run, or a date, did.
func addCounts(l *observe.LastRun, c *record.Counts) {
	l.Scored += c.Scored
	l.Quarantined += c.Quarantined
	l.Skipped += c.Skipped
	l.Retries += c.Retries
}
