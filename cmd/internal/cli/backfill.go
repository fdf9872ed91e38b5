package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/writers/record"
)

// backfillFlags say which dates a backfill runs, and how.
type backfillFlags struct {
	since, until, only    string
	parallel, maxFailures int
	newestFirst, dryRun   bool
	asJSON                bool
}

// What --only may be.
const (
	onlyMissing = "missing"
	onlyFailed  = "failed"
	onlyStale   = "stale"
	onlyAll     = "all"
)

const (
	maxDates    = 100_000
	maxParallel = 64
)

func (e *env) backfillCommand() *cobra.Command {
	f := &jobFlags{}
	o := backfillFlags{}
	cmd := &cobra.Command{
		Use:   "backfill [JOB.yaml] --since DATE --until DATE",
		Short: "Run a job with {date} for every date of a range that has input",
		Long: "Backfill runs a job whose output has a {date} for each date of a range that has\n" +
			"input: its days, or what `partition` of the job says. All share one pool of\n" +
			"workers; each date's folder is an output of its own, with its own _SUCCESS. A\n" +
			"date that fails does not keep the others from being run, unless the scorer is\n" +
			"gone. The record of the backfill is in _runs of the folder above the dates.\n\n" +
			"--only says which dates: missing has no _SUCCESS, failed has a run record but no\n" +
			"_SUCCESS, stale has parts that do not match input, model and settings (they are\n" +
			"scored again), all is every date. A date of which a gate failed has failed; a\n" +
			"drift gate compares it with the last date before it that has its _SUCCESS.\n\n" +
			"The exit code is that of the first failed date; without any, 3 if graphs or\n" +
			"files of a date were not scored. The same command continues." + watchHelp,
		Example: "  graphscore backfill nightly.yaml --since 2026-01-01 --until 2026-02-01\n" +
			"  graphscore backfill nightly.yaml --since 2026-01-01 --dry-run\n" +
			"  graphscore backfill nightly.yaml --since 2026-01-01 --only stale --parallel 4",
		RunE: func(cmd *cobra.Command, args []string) error {
			work := func(ctx context.Context, seen *observation) error {
				job, err := f.job(cmd, args)
				if err != nil {
					return err
				}
				seen.job = job
				if cmd.Flags().Changed("max-failures") && o.maxFailures < 1 {
					return usagef("--max-failures is %d: it must be at least 1", o.maxFailures)
				}
				b := &backfill{env: e, backfillFlags: o, flags: f, seen: seen, job: job, id: seen.id}
				seen.tell, seen.summarize = b.lastRun, b.printSummary
				if err := b.prepare(); err != nil {
					return err
				}
				if !b.dryRun {
					if err := seen.serve(ctx, func() pipeline.Reading { return b.meter.read().Reading }); err != nil {
						return err
					}
				}
				return b.execute(ctx)
			}
			seen := e.observation("backfill")
			if o.dryRun {
				return work(cmd.Context(), seen)
			}
			return seen.observed(cmd.Context(), work)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "first `DATE`, as 2026-01-31, 2026-01-31T23 or 2026-01")
	flags.StringVar(&o.until, "until", "", "`DATE` after the last one (default: the one that now is in, so that only what is over is run)")
	flags.StringVar(&o.only, "only", onlyMissing, "which dates: missing, failed, stale or all")
	flags.IntVar(&o.parallel, "parallel", 1, "run `N` dates at once, over the same workers and within the same limits")
	flags.IntVar(&o.maxFailures, "max-failures", 0, "begin no more dates once `N` have failed (default: go on)")
	flags.BoolVar(&o.newestFirst, "newest-first", false, "begin with the last date")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would be run, and run nothing")
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindMetrics(cmd)
	flags.BoolVar(&o.asJSON, "json", false, "print the record of the backfill on standard output, and nothing else there")
	return cmd
}

// backfill is one execution of a job for many dates.
type backfill struct {
	*env
	backfillFlags
	id       string
	flags    *jobFlags
	seen     *observation
	job      *jobs.Job // with its {date}
	calendar jobs.Calendar
	dates    []jobs.Date // in the order of the calendar

	// entries has one element for each of dates. Each belongs to the goroutine of its date until that ends.
	entries  []entry
	failures atomic.Int64
	halted   atomic.Bool // no more dates are begun
	meter    meter

	joining sync.Mutex
	session *session // made by the first date that needs it
	refused error    // why it could not be made

	workerMemory int64            // peak of all local workers, in bytes
	rec          *record.Backfill // once it is made
}

// entry is a date and what became of it.
type entry struct {
	record.BackfillDate
	rec    *record.Run     // nil where there is none
	before <-chan struct{} // closed when the date that was begun before it is done; nil for the first
}

// prepare checks what was asked for and lists the dates.
func (b *backfill) prepare() error {
	var err error
	if b.calendar, err = b.job.Calendar(); err != nil {
		return err
	}
	if !b.job.OutputDated() {
		return &jobs.Error{Path: b.job.Path, Reason: fmt.Sprintf(
			"output.path %s has no {date}, so that every date would have the same output: add one, as in %s",
			b.job.Output.Path, strings.TrimSuffix(b.job.Output.Path, "/")+"/dt={date}")}
	}
	if all := []string{onlyMissing, onlyFailed, onlyStale, onlyAll}; !slices.Contains(all, b.only) {
		return usagef("--only is %q: it must be one of %s", b.only, strings.Join(all, ", "))
	}
	if b.parallel < 1 || b.parallel > maxParallel {
		return usagef("--parallel is %d: it must be from 1 to %d", b.parallel, maxParallel)
	}
	if err := b.list(); err != nil {
		return err
	}
	if err := b.job.Validate(); err != nil {
		return err
	}
	if b.newestFirst && b.job.DriftDated() {
		return usagef("--newest-first is given, but gates.drift compares each date with the one before it, which would come later: leave it out")
	}
	if b.only == onlyStale {
		b.job.OnChange = "rescore" // stale parts are what is asked for
	}
	if !b.job.InputDated() {
		b.log.Warn("input.path has no {date}: every date reads the same input", "input", inputText(b.job))
	}
	return nil
}

// list fills in the dates from --since to --until.
func (b *backfill) list() error {
	if b.since == "" {
		return usagef("backfill needs --since DATE: see graphscore backfill --help")
	}
	since, err := b.calendar.Parse(b.since)
	if err != nil {
		return usagef("--since: %v", err)
	}
	until := b.calendar.Current(b.now())
	if b.until == "" {
		b.args = append(slices.Clone(b.args), "--until", until.String()) // the command that continues means the same
	} else if until, err = b.calendar.Parse(b.until); err != nil {
		return usagef("--until: %v", err)
	}
	switch {
	case until.Before(since):
		return usagef("--since %s is after --until %s", since, until)
	case until == since:
		return usagef("--since %s and --until %s leave no %s: --until is the first that is left out", since, until, b.calendar.Unit)
	}
	for d := range b.calendar.Dates(since, until) {
		if len(b.dates) == maxDates {
			return usagef("--since %s and --until %s are more than %d dates apart: run less at a time", since, until, maxDates)
		}
		b.dates = append(b.dates, d)
		b.entries = append(b.entries, entry{BackfillDate: record.BackfillDate{
			Date: d.String(), Output: b.job.On(d).Output.Path, Outcome: record.DateNotBegun,
		}})
	}
	b.since, b.until = since.String(), until.String()
	return nil
}

// record says what the backfill was and how it went; err is how it ends.
func (b *backfill) record(err error) *record.Backfill {
	now := b.now()
	host, _ := os.Hostname() // a machine without a name has none in the record
	rec := &record.Backfill{
		BackfillID: b.id, Name: b.job.Name,
		Started: b.start.UTC().Format(time.RFC3339), Finished: now.UTC().Format(time.RFC3339), Seconds: elapsed(b.start, now),
		Host: host, PID: os.Getpid(), Version: buildVersion(),
		Since: b.since, Until: b.until, Partition: string(b.calendar.Unit), Timezone: b.calendar.Location.String(),
		Only: b.only, Parallel: b.parallel, NewestFirst: b.newestFirst, DryRun: b.dryRun, Output: b.job.Output.Path,
	}
	for _, p := range b.job.Input.Path {
		rec.Inputs = append(rec.Inputs, p.Path)
	}
	if err != nil {
		rec.ExitCode, rec.Error = exitCode(err), err.Error()
	}
	for i := range b.entries {
		rec.Dates = append(rec.Dates, b.entries[i].BackfillDate)
		addCounts(&rec.Counts, &b.entries[i].Counts)
	}
	return rec
}

func addCounts(to, c *record.Counts) {
	to.Files += c.Files
	to.FilesRefused += c.FilesRefused
	to.Shards += c.Shards
	to.ShardsSkipped += c.ShardsSkipped
	to.RowsIn += c.RowsIn
	to.Scored += c.Scored
	to.Quarantined += c.Quarantined
	to.Skipped += c.Skipped
	to.Nodes += c.Nodes
	to.Edges += c.Edges
	to.Requests += c.Requests
	to.Retries += c.Retries
	to.Orphaned += c.Orphaned
}
