package writers

import (
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// submitLock is the lock that a submit holds while it submits and follows: there is one at a time for an output.
const submitLock = locksDir + "/submit"

// Submissions are the records of an output's submissions, with their plans, scripts and logs. Whoever has them is the only
// one to submit its shards; the lock of the output is left to the shards.
type Submissions struct {
	folder *atomic.Folder
	flock  *flock.Flock
}

// OpenSubmissions takes the lock of an output's submissions without waiting. One that is held is a *LockedError; a folder
// or file that cannot be created is an *atomic.CreateError.
func OpenSubmissions(cfg Config) (*Submissions, error) {
	cfg = cfg.WithDefaults()
	folder, err := atomic.OpenFolder(cfg.Dir, atomic.Options{Wrap: cfg.disk, Tag: "submit"})
	if err != nil {
		return nil, err
	}
	s := &Submissions{folder: folder}
	if err := folder.MakeFolder(locksDir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.flock, err = lockFile(folder, submitLock, cfg, false); err != nil {
		var held *LockedError
		if errors.As(err, &held) {
			held.Submit = true
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Unfinished returns the newest submission that has not ended, nil where there is none. A record that cannot be read is an
// error: its arrays may be at work.
func (s *Submissions) Unfinished() (*record.Submission, error) {
	files, err := record.ListSubmissions(s.folder.Path("."))
	if err != nil || len(files) == 0 {
		return nil, err
	}
	newest, err := record.ReadSubmission(files[0])
	if err != nil || newest.Finished != "" {
		return nil, err
	}
	return newest, nil
}

// submissionsKept is how many submissions stay, with their scripts and logs.
const submissionsKept = 20

// RemoveOld removes all but the last submissions, the oldest first.
func (s *Submissions) RemoveOld() error {
	files, err := record.ListSubmissions(s.folder.Path("."))
	if err != nil {
		return err
	}
	for _, file := range slices.Backward(files[min(len(files), submissionsKept-1):]) {
		name := record.Dir + "/" + filepath.Base(file)
		folder := strings.TrimSuffix(name, path.Ext(name))
		if err := s.folder.Root().RemoveAll(folder); err != nil {
			return &atomic.IOError{Op: "removing", Path: s.folder.Path(folder), Err: err}
		}
		if err := s.folder.RemoveLater(name); err != nil {
			return err
		}
	}
	return nil
}

// Dir makes the folder of a submission's plan, scripts and logs, and returns its path.
func (s *Submissions) Dir(id string) (string, error) {
	dir := record.SubmissionFolder(id)
	if err := s.folder.MakeFolder(path.Join(dir, "logs")); err != nil {
		return "", err
	}
	return filepath.Abs(s.folder.Path(dir))
}

// Save writes the record of a submission, over that of the same id. Errors are *atomic.CreateError or *atomic.IOError.
func (s *Submissions) Save(rec *record.Submission) error {
	return record.WriteSubmission(s.folder, rec)
}

// WriteScript writes a script into the folder of a submission, whole or not at all, and returns its path.
func (s *Submissions) WriteScript(id, name string, content []byte) (file string, err error) {
	f, err := s.folder.Stage(path.Join(record.SubmissionFolder(id), name))
	if err != nil {
		return "", err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Commit()
	}
	if err != nil {
		return "", errors.Join(err, f.Discard())
	}
	return filepath.Abs(s.folder.Path(path.Join(record.SubmissionFolder(id), name)))
}

// Close frees the lock. The error is an *atomic.IOError.
func (s *Submissions) Close() error {
	return errors.Join(unlock(s.flock, s.folder.Path(submitLock)), s.folder.Close())
}
