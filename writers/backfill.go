package writers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// The outcomes of a date in a BackfillRecord.
const (
	// DateScored: its run ended with exit code 0 or 3.
	DateScored = "scored"
	// DateDone: it was not run, as its _SUCCESS is there or its parts match.
	DateDone = "done"
	// DateNoInput: its input is not there.
	DateNoInput = "no_input"
	// DateNotSelected: it is not one of those asked for.
	DateNotSelected = "not_selected"
	// DateFailed: its run, or what came before it, ended with the exit code given.
	DateFailed = "failed"
	// DateStopped: a signal, or the end of the scorer, ended its run.
	DateStopped = "stopped"
	// DateNotBegun: the backfill ended before its turn.
	DateNotBegun = "not_begun"
	// DateWouldRun: a dry run found that it would be run.
	DateWouldRun = "would_run"
)

// BackfillNotEnded is the exit code in the record of a backfill that is at work, or was killed.
const BackfillNotEnded = -1

// BackfillRecord says what a backfill was and what became of every date. It is written when the backfill begins, and
// again when it ends. Every key is always there.
type BackfillRecord struct {
	// BackfillID is of the form of a run id.
	BackfillID string `json:"backfill_id"`
	// Name is that of the job.
	Name string `json:"name"`
	// Started and Finished are UTC in RFC 3339. Finished is empty in one that has not ended.
	Started  string  `json:"started"`
	Finished string  `json:"finished"`
	Seconds  float64 `json:"seconds"`
	// ExitCode is that of the process, or BackfillNotEnded.
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
	// Inputs and Output are paths with their {date}.
	Inputs []string `json:"inputs"`
	Output string   `json:"output"`
	// Counts are the sums over all dates.
	Counts Counts `json:"counts"`
	// Dates has every date between Since and Until, in the order of the calendar.
	Dates []DateRecord `json:"dates"`
}

// DateRecord is what became of one date.
type DateRecord struct {
	Date    string `json:"date"`
	Output  string `json:"output"`
	Outcome string `json:"outcome"`
	// ExitCode is that of a run of this date alone; 0 where it was not run.
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error"`
	// RunID is that of the run record in the date's own output, empty where there is none.
	RunID   string  `json:"run_id"`
	Seconds float64 `json:"seconds"`
	Counts  Counts  `json:"counts"`
}

// Encode writes the record as indented JSON with a newline at its end.
func (r *BackfillRecord) Encode(w io.Writer) error {
	full := *r
	full.Inputs, full.Dates = list(r.Inputs), list(r.Dates)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(full)
}

// backfillPrefix stands before the id in the name of a backfill's record: the folder may be an output as well,
// whose run records are counted and listed for themselves.
const backfillPrefix = "backfill-"

// WriteBackfill writes _runs/backfill-<id>.json in the folder dir, which it creates where it is not there, in the
// place of one of the same id, and removes all but the last 100 such records. It takes no lock of an output: those
// of the dates may be held by their runs. It waits for another backfill that writes its record, until ctx ends.
// Errors are *CreateError, *IOError, or that of ctx.
func WriteBackfill(ctx context.Context, dir string, rec *BackfillRecord) (err error) {
	runs := filepath.Join(filepath.Clean(dir), runsDir)
	if err := createFolder(runs); err != nil {
		return &CreateError{Path: runs, Err: err}
	}
	root, err := os.OpenRoot(runs)
	if err != nil {
		return &CreateError{Path: runs, Err: err}
	}
	o := &Output{cfg: Config{Dir: runs}.WithDefaults(), root: root, disk: rootDisk{root}}
	o.folders = folders{disk: o.disk, root: root, done: map[string]bool{}}
	o.temps.Store(backfillTemps + rand.Int64N(backfillTemps))
	defer func() { err = errors.Join(err, o.Close()) }()
	o.flock = flock.New(o.path(lockName), flock.SetPermissions(0o666))
	if _, err := o.flock.TryLockContext(ctx, 5*time.Millisecond); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for another backfill to write its record in %q: %w", runs, ctx.Err())
		}
		return o.creating(lockName, err)
	}
	if err := o.cleanBackfills(); err != nil {
		return err
	}
	return o.writeBackfill(rec)
}

// ReadBackfill reads the record of a backfill. The error is an *IOError, or a *RecordError for anything else.
func ReadBackfill(file string) (*BackfillRecord, error) {
	content, err := readSmall(file, recordLimit)
	if err != nil {
		return nil, err
	}
	rec := &BackfillRecord{}
	if err := json.Unmarshal(content, rec); err != nil || rec.BackfillID == "" {
		return nil, &RecordError{file, "it does not hold the JSON of a backfill either"}
	}
	return rec, nil
}

// backfillTemps is where the numbers of temporary files of backfills begin: if the folder is an output itself,
// those of its runs lie beside them, and are not ours to remove.
const backfillTemps = 1 << 40

// cleanBackfills removes the temporary files of backfills that were killed. The caller holds the lock.
func (o *Output) cleanBackfills() error {
	flat := func(string) bool { return false }
	err := walk(o.root, ".", flat, func(name string) error {
		var number int64
		if _, err := fmt.Sscanf(name, tempPrefix+"%d"+tempSuffix, &number); err != nil || !isTemp(name) || number < backfillTemps {
			return nil
		}
		return o.disk.Remove(name)
	})
	if err != nil {
		return o.creating(".", err)
	}
	return nil
}

// writeBackfill writes and prunes, in an output that stands for _runs.
func (o *Output) writeBackfill(rec *BackfillRecord) error {
	s, err := o.stage(backfillPrefix + rec.BackfillID + recordSuffix)
	if err != nil {
		return err
	}
	if err = rec.Encode(s); err == nil {
		err = s.seal()
	}
	if err == nil {
		err = s.publish()
	}
	if err != nil {
		return errors.Join(err, s.discard())
	}
	names, err := backfillNames(o.cfg.Dir)
	if err != nil {
		return err
	}
	for _, name := range names[:max(len(names)-recordsKept, 0)] {
		if err := o.disk.Remove(name); err != nil {
			return &IOError{Op: "removing", Path: o.path(name), Err: err}
		}
	}
	return nil
}

// backfillNames lists the records of backfills in a _runs by name, oldest first.
func backfillNames(runs string) ([]string, error) {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return nil, &IOError{Op: "reading", Path: runs, Err: err}
	}
	var names []string
	for _, e := range entries {
		id, ours := strings.CutPrefix(e.Name(), backfillPrefix)
		if ours && e.Type().IsRegular() && isRecord(path.Base(id)) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
