package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"google.golang.org/grpc"

	"graphscore/jobs"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// Config is the job of one execution and the world in which it runs. Job, Start, Now and Log must be set.
type Config struct {
	// Job is what to do, with defaults, and of one date if it has a {date}.
	Job *jobs.Job
	// Date names the date of a job with {date}, "" for other jobs.
	Date string
	// ID names the run in records, in the lock and beside calls: see [NewID].
	ID string
	// Limit takes that many graphs from the beginning of the input, 0 all.
	Limit int64
	// RequireInput refuses an input of no files even where the job says input.optional.
	RequireInput bool
	// RetryQuarantined makes every part again of which graphs are in quarantine.
	RetryQuarantined bool
	// SideBySide shares the lock above the dates of the job with other runs that do, so that several dates are run at once.
	SideBySide bool
	// Task makes a run one of several that fill the output at once: it makes the parts of its task. Nil for all parts.
	Task *record.Task
	// Balance says which parts are those of a task: [BalanceNumber] (the default) or [BalanceBytes]. Who finishes takes, by
	// default, what the records of the tasks say.
	Balance string
	// PlanFile is a plan that was fixed, "" for one from the footers of now.
	PlanFile string
	// Unconfirmed takes the plan file as it is: the files of the input are not opened, and cannot be read.
	Unconfirmed bool
	// Finish judges an output that several runs have filled: nothing is scored.
	Finish bool
	// AllInput, with Finish, keeps _SUCCESS from an output where files came to the input after PlanFile was made, and ends with
	// 75: for a caller that made the plan itself, and makes another the next time.
	AllInput bool
	// Count is the number of tasks that fill an output, for who finishes it; 0 where their records say it.
	Count int
	// Python is the interpreter of local workers as the user named it, "" for the default.
	Python string
	// Start is when the process or, in a backfill, the date began. Now is the clock.
	Start time.Time
	Now   func() time.Time
	Log   *slog.Logger
	// Around is put around every call to what scores, nil for nothing.
	Around grpc.UnaryClientInterceptor
	// Disk returns the disk of the output to use in the place of the real one, and File the content of an input file, for
	// tests. Default: the real ones.
	Disk func(atomic.Disk) atomic.Disk
	File func(path string, content io.ReaderAt) io.ReaderAt
}

// NewID returns the id of a run or a backfill that began at start.
func NewID(start time.Time) string { return record.NewID(start, rand.Reader) }

// Input is a job that can be run as far as it is known without a scorer, and the plan of what it reads.
type Input struct {
	Config
	// Plan is what is read: for one task its own places.
	Plan *readers.Plan

	whole *Input    // that of all tasks, nil where there is one
	fixed *PlanFile // nil where the plan comes from the footers of now
}

// Files is the number of files that were found, those that cannot be read included.
func (in *Input) Files() int { return len(in.Plan.Files) + len(in.Plan.Refused) }

// Unreadable reports whether files were found and none of them can be read, so that there is nothing to score.
func (in *Input) Unreadable() bool { return len(in.Plan.Shards) == 0 && len(in.Plan.Refused) > 0 }

// Missing returns a *MissingError where nothing matches and the job does not say that this is right, else nil.
func (in *Input) Missing() error {
	if !in.Plan.Empty() || in.Job.Input.Optional && !in.RequireInput {
		return nil
	}
	return &MissingError{fmt.Sprintf("nothing matches %s: name what exists, or set input.optional: true in the job where no input is no mistake", in.Job.Input.Path)}
}

// Prepare checks the job and plans what there is to read. It returns every refusal that needs no scorer, and changes
// nothing; that nothing matches is left to [Execute], or to a caller that asks [Input.Missing]. Its three steps are for
// callers that go on after a refusal, or that read without an output.
func Prepare(ctx context.Context, cfg Config) (*Input, error) {
	if err := cfg.CheckJob(); err != nil {
		return nil, err
	}
	if err := cfg.CheckPaths(); err != nil {
		return nil, err
	}
	in, err := cfg.readAny(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Task != nil {
		if err := in.Readable(); err != nil {
			return nil, err
		}
		in = in.only()
	}
	if cfg.Unconfirmed {
		return in, nil
	}
	return in, in.confirm(ctx)
}

// readAny plans what there is to read, or takes the plan that was fixed.
func (c Config) readAny(ctx context.Context) (*Input, error) {
	if c.PlanFile != "" {
		return c.readFixed()
	}
	return c.readPlan(ctx, c.reader())
}

// CheckJob returns a *jobs.Error for a job that cannot be run as it is written.
func (c Config) CheckJob() error { return c.Job.Validate() }

// ReadPlan plans what there is to read: a *MissingError where nothing matches and input is not optional, a *jobs.Error
// where the protocol cannot carry the input, else the errors of [readers.NewPlan].
func (c Config) ReadPlan(ctx context.Context) (*Input, error) {
	in, err := c.readPlan(ctx, c.reader())
	if err != nil {
		return nil, err
	}
	if err := in.Missing(); err != nil {
		return nil, err
	}
	return in, nil
}

func (c Config) readPlan(ctx context.Context, reader readers.Config) (*Input, error) {
	plan, err := readers.NewPlan(ctx, reader)
	if err != nil {
		return nil, err
	}
	in := &Input{Config: c, Plan: plan}
	if err := in.carriesWeights(); err != nil {
		return nil, err
	}
	return in, nil
}

// carriesWeights refuses edge weights where the protocol has no place for them: scores would be wrong.
func (in *Input) carriesWeights() error {
	if remote.TraitsOf(in.Job.Server.Protocol).Weights || !in.Plan.HasWeights {
		return nil
	}
	return &jobs.Error{Path: cmp.Or(in.Job.Path, "--protocol gcn"), Reason: "the input has edge weights, " +
		"which protocol gcn cannot carry: use protocol native, or do not read the column (weights: none)"}
}

// reader translates the input of the job.
func (c Config) reader() readers.Config {
	in := c.Job.Input
	cfg := readers.Config{
		Columns: in.Columns.ColumnNames, Layout: in.Layout, Fingerprint: in.Fingerprint, Require: in.Require,
		ShardBytes: int64(in.ShardBytes), Limit: c.Limit, File: c.File,
	}
	for _, p := range in.Path {
		cfg.Inputs = append(cfg.Inputs, readers.Input{Name: p.Name, Path: p.Path, Optional: p.Dated || in.Optional && !c.RequireInput})
	}
	return cfg
}

// Newest returns the input file that was written last, among those that can be read; path is "" where there is none. The
// error is an *fs.PathError.
func (in *Input) Newest() (path string, written time.Time, err error) {
	for _, f := range in.Plan.Files {
		info, err := os.Stat(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was removed once it was planned
		case err != nil:
			return "", time.Time{}, err
		case path == "" || info.ModTime().After(written):
			path, written = f.Path, info.ModTime()
		}
	}
	return path, written, nil
}

// LogPlan logs what will be read, and which files beside the input will not be.
func (in *Input) LogPlan(ctx context.Context) {
	p := in.Plan
	in.Log.InfoContext(ctx, "planned", "files", len(p.Files), "shards", len(p.Shards), "graphs", p.Rows,
		"refused", len(p.Refused), "left_out", in.LeftOut().String())
	for _, f := range p.Refused {
		if cause := rootCause(f); cause != nil {
			in.Log.DebugContext(ctx, "refused because of", "file", f.Path, "cause", cause)
		}
	}
	for _, path := range p.Unmatched {
		if !p.Empty() {
			in.Log.WarnContext(ctx, "nothing matches this one of several inputs", "input", path)
		}
	}
	for _, path := range p.LeftOut.Unfinished {
		in.Log.WarnContext(ctx, "left out: its writer has not finished it, by its name", "file", path)
	}
	for _, path := range p.LeftOut.Other {
		in.Log.WarnContext(ctx, "ignored: neither its name nor its content is that of Parquet or Arrow", "file", path)
	}
}

// rootCause is the last error of a chain, nil where there is no other.
func rootCause(err error) (cause error) {
	for err = errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		cause = err
	}
	return cause
}

// RefusedFiles are those that planning, or a scan of the plan, could not read.
func (in *Input) RefusedFiles(scanned *Scanned) []record.RefusedFile {
	return refusedFiles(in.Plan, allShards(in.Plan), scanned.Result)
}
