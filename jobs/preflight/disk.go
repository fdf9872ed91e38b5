package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dustin/go-humanize"

	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// outputError is the first error of a run that cannot create, lock or write to its output, nil where it can.
func outputError(cfg run.Config) error {
	_, err := checkFolder(cfg.Job.Output.Path)
	return first(cfg.CheckHeld(), err) // a run takes the locks before it tries to write
}

// checkFolder returns a *atomic.CreateError for an output that cannot be created, or that cannot be written to where
// it exists. It creates nothing.
func checkFolder(path string) (exists bool, err error) {
	dir, exists := nearest(path)
	if err := writableFolder(dir); err != nil {
		return exists, &atomic.CreateError{Path: path, Err: err}
	}
	return exists, nil
}

// CheckDates returns the error that a backfill would end with before its first date: the port of its metrics, the lock
// above the dates, and the folder of its record there. It changes nothing.
func CheckDates(ctx context.Context, cfg run.Config) error {
	if err := checkListen(ctx, cfg.Job, cfg.CheckDatesHeld); err != nil {
		return err
	}
	if err := cfg.CheckDatesHeld(); err != nil {
		return err
	}
	_, err := checkFolder(filepath.Join(cfg.Job.Above(), record.Dir))
	return err
}

// nearest is the path or the nearest folder above it that exists.
func nearest(path string) (dir string, exists bool) {
	dir = filepath.Clean(path)
	for exists = true; ; exists = false {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir, exists
		}
		dir = filepath.Dir(dir)
	}
}

// writableFolder says why nothing can be created in a folder.
func writableFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = mayCreateIn(dir)
	}
	return err
}

func checkSpace(_ context.Context, k *known) Finding {
	dir, _ := nearest(k.cfg.Job.Output.Path)
	free, found := freeSpace(dir)
	if !found {
		return warn("the free space of %s is not known", dir)
	}
	if !k.knows(haveParts) {
		return ok("%s free; how much is needed is not known", humanize.IBytes(free))
	}
	w := k.comparison.workloads()
	return compareSpace(dir, free, w.Score.Graphs+w.Redo.Graphs, k.comparison.estimates())
}

// compareSpace compares the free space of a folder, in bytes, with what the parts of so many graphs will take.
func compareSpace(dir string, free uint64, graphs int64, e Estimates) Finding {
	need := e.OutputBytes
	switch {
	case need.Likely == 0 && graphs > 0:
		return ok("%s free; the footers do not say how much is needed", humanize.IBytes(free))
	case float64(free) < need.Low:
		return fail(scoring, &run.SpaceError{Message: fmt.Sprintf("%s has %s free, and the scores take at least %s: free some space, or choose another output",
			dir, humanize.IBytes(free), humanize.IBytes(uint64(need.Low)))})
	case float64(free) < need.High:
		return warn("%s free in %s, and the scores take about %s, perhaps %s: free some space",
			humanize.IBytes(free), dir, display.Bytes(need.Likely), display.Bytes(need.High))
	}
	return ok("%s free, about %s needed", humanize.IBytes(free), display.Bytes(need.Likely))
}
