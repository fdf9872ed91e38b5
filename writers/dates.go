package writers

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"

	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// Dates are the outputs of all dates of a job, as a lock above them knows them.
type Dates struct {
	// Above is the folder that all of them lie in. The lock is a file in its _runs.
	Above string
	// Form is the path of a date's output below Above with the same date for every job: jobs of one form fill the same
	// outputs. Others may lie in the same folder, and have a lock of their own.
	Form string
	// Shared lets others that share the lock work on other dates meanwhile. Without it there is one holder.
	Shared bool
}

// DatesLock is held above the dates of a job until Close. It goes with the process; the file stays.
type DatesLock struct {
	folder *atomic.Folder
	flock  locker
	path   string
}

// name is a word for the dates in the names of files.
func (d Dates) name() string {
	sum := sha256.Sum256([]byte(filepath.ToSlash(d.Form)))
	return hex.EncodeToString(sum[:4])
}

// Submissions names the records of what is submitted of the dates.
func (d Dates) Submissions() record.Submissions { return record.Submissions(d.name()) }

// lockFileName is that of the lock in the folder of records.
func (d Dates) lockFileName() string { return "_dates-" + d.name() + ".lock" }

// LockDates takes the lock above the dates, which comes before that of a date's output. It does not wait: a lock that is
// held is a *LockedError, whose Path is cfg.Dir: what messages call the outputs of all dates. A folder or file that
// cannot be created or written to is an *atomic.CreateError.
func LockDates(d Dates, cfg Config) (*DatesLock, error) {
	cfg = cfg.WithDefaults()
	folder, err := atomic.OpenFolder(filepath.Join(filepath.Clean(d.Above), record.Dir), atomic.Options{Wrap: cfg.Disk})
	if err != nil {
		return nil, err
	}
	l := &DatesLock{folder: folder, path: folder.Path(d.lockFileName())}
	if l.flock, err = lockFile(folder, d.lockFileName(), cfg, d.Shared); err != nil {
		return nil, errors.Join(ofDates(err), l.Close())
	}
	return l, nil
}

// CheckFree returns a *LockedError where another command holds the lock above the dates, else nil, as [View.CheckFree]
// does for an output. outputs is what messages call the outputs of all dates.
func (d Dates) CheckFree(outputs string) error {
	return ofDates(NewView(filepath.Join(filepath.Clean(d.Above), record.Dir)).checkFree(d.lockFileName(), outputs, d.Shared))
}

// ofDates marks a *LockedError as one of dates.
func ofDates(err error) error {
	var held *LockedError
	if errors.As(err, &held) {
		held.Dates = true
	}
	return err
}

// Close frees the lock. The error is an *atomic.IOError.
func (l *DatesLock) Close() error {
	return errors.Join(unlock(l.flock, l.path), l.folder.Close())
}
