package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"graphscore/pipeline/display"
	"graphscore/writers/atomic"
)

// The outcomes of a date in a Backfill.
const (
	// DateScored: its run ended with exit code 0 or 3.
	DateScored = "scored"
	// DateDone: it was not run, as its _SUCCESS exists or its parts match.
	DateDone = "done"
	// DateNoInput: its input does not exist.
	DateNoInput = "no_input"
	// DateNotSelected: it is not one of those asked for.
	DateNotSelected = "not_selected"
	// DateFailed: its run, or what came before it, ended with the exit code given; in a dry run, it would.
	DateFailed = "failed"
	// DateStopped: a signal, or the end of the scorer, ended its run.
	DateStopped = "stopped"
	// DateNotBegun: the backfill ended before its turn.
	DateNotBegun = "not_begun"
	// DateWouldRun: a dry run found that it would be run.
	DateWouldRun = "would_run"
)

// NotEnded is the exit code in the record of a backfill that is at work, or was killed.
const NotEnded = -1

// Backfill is the record of a backfill. It says what a backfill was and what became of every date. It is written when the backfill begins, and
// again when it ends. Every key is always there.
type Backfill struct {
	// BackfillID is of the form of a run id.
	BackfillID string `json:"backfill_id"`
	// Name is that of the job.
	Name string `json:"name"`
	// Started and Finished are UTC in RFC 3339. Finished is empty in one that has not ended.
	Started  string  `json:"started"`
	Finished string  `json:"finished"`
	Seconds  float64 `json:"seconds"`
	// ExitCode is that of the process, or NotEnded.
	ExitCode int `json:"exit_code"`
	// Error is the message of the backfill, empty where all went well.
	Error   string `json:"error"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// Since is the first date, Until the one after the last.
	Since     string `json:"since"`
	Until     string `json:"until"`
	Partition string `json:"partition"`
	Timezone  string `json:"timezone"`
	// Only is "missing", "failed", "stale" or "all".
	Only        string `json:"only"`
	Parallel    int    `json:"parallel"`
	NewestFirst bool   `json:"newest_first"`
	DryRun      bool   `json:"dry_run"`
	// SubmitID is that of the submission whose arrays made the parts, "" where the backfill made them itself.
	SubmitID string `json:"submit_id"`
	// Inputs and Output are paths with their {date}.
	Inputs []string `json:"inputs"`
	Output string   `json:"output"`
	// Counts are the sums over all dates.
	Counts Counts `json:"counts"`
	// Dates has every date between Since and Until, in the order of the calendar.
	Dates []BackfillDate `json:"dates"`
}

// BackfillDate is what became of one date.
type BackfillDate struct {
	Date    string `json:"date"`
	Output  string `json:"output"`
	Outcome string `json:"outcome"`
	// ExitCode is that of a run of this date alone; 0 where it was not run. In a dry run, as far as is known.
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error"`
	// RunID is that of the run record in the date's own output, empty where there is none.
	RunID   string  `json:"run_id"`
	Seconds float64 `json:"seconds"`
	Counts  Counts  `json:"counts"`
}

// Complete returns a copy with empty lists where a field is nil. It shares the rest with r.
func (r *Backfill) Complete() Backfill {
	full := *r
	full.Inputs, full.Dates = list(r.Inputs), list(r.Dates)
	return full
}

// Encode writes the complete record as indented JSON with a newline at its end.
func (r *Backfill) Encode(w io.Writer) error { return display.JSON(w, r.Complete()) }

// backfillPrefix comes before the id in the name of a backfill's record: the folder may be an output as well,
// whose run records are counted and listed for themselves.
const backfillPrefix = "backfill-"

// WriteBackfill writes _runs/backfill-<id>.json in the folder dir, which it creates where it does not exist, in the
// place of one of the same id, and removes all but the last 100 such records. It takes no lock of an output: those
// of the dates may be held by their runs. It waits for another backfill that writes its record, until ctx ends.
// Errors are *atomic.CreateError, *atomic.IOError, or that of ctx.
func WriteBackfill(ctx context.Context, dir string, rec *Backfill) (err error) {
	// If dir is an output itself, temporary files of its runs lie in the same folder, and are not ours to remove.
	folder, err := atomic.OpenFolder(filepath.Join(filepath.Clean(dir), Dir), atomic.Options{Tag: "backfill"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	lock := flock.New(folder.Path(lockName), flock.SetPermissions(0o666))
	if _, err := lock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for another backfill to write its record in %q: %w", folder.Path("."), ctx.Err())
		}
		return atomic.Creating(folder.Path(lockName), err)
	}
	defer func() {
		if unlocking := lock.Close(); unlocking != nil {
			err = errors.Join(err, &atomic.IOError{Op: "unlocking", Path: folder.Path(lockName), Err: unlocking})
		}
	}()
	flat := func(string) bool { return false }
	if err := folder.RemoveTemps(flat); err != nil { // those of backfills that were killed
		return err
	}
	if err := write(folder, backfillPrefix+rec.BackfillID+suffix, rec); err != nil {
		return err
	}
	return prune(folder, ".", isBackfill)
}

// lockName is the file in the folder of records that a backfill locks while it writes its own.
const lockName = "_lock"

// isBackfill reports whether a file name is that of the record of a backfill.
func isBackfill(base string) bool {
	id, ours := strings.CutPrefix(base, backfillPrefix)
	return ours && IsName(id)
}

// ListBackfills returns the records of backfills in the _runs of a folder by path, newest first by their names. A folder
// without any, even one that is not there, has none. The error is an *atomic.IOError.
func ListBackfills(dir string) ([]string, error) { return byName(dir, isBackfill) }

// byName returns the records in the _runs of a folder whose file names are of a kind, newest first by their names.
func byName(dir string, ours func(base string) bool) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &atomic.IOError{Op: "reading", Path: filepath.Join(dir, Dir), Err: err}
	}
	var paths []string
	for _, e := range slices.Backward(entries) {
		if ours(e.Name()) {
			paths = append(paths, filepath.Join(dir, Dir, e.Name()))
		}
	}
	return paths, nil
}

// BackfillOf returns the folder above the dates by the path of a record's file; ok is false for a file that does not lie
// in a _runs under the name of the record of a backfill.
func BackfillOf(file string) (dir string, ok bool) {
	runs := filepath.Dir(file)
	return filepath.Dir(runs), filepath.Base(runs) == Dir && isBackfill(filepath.Base(file))
}

// ReadBackfill reads the record of a backfill. The error is an *atomic.IOError, or a *Error for anything else.
func ReadBackfill(file string) (*Backfill, error) {
	content, err := readSmall(file, sizeLimit)
	if err != nil {
		return nil, err
	}
	rec := &Backfill{}
	if err := json.Unmarshal(content, rec); err != nil || rec.BackfillID == "" {
		return nil, &Error{file, "it does not hold the JSON of a backfill either"}
	}
	return rec, nil
}
