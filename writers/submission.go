package writers

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// submitLock is the lock that a submit holds while it submits and follows: there is one at a time for an output.
const submitLock = locksDir + "/submit"

// Submissions are the records of an output's submissions, with their plans, scripts and logs. Whoever has them is the only
// one to submit its shards; the lock of the output is left to the shards.
type Submissions struct {
	of     record.Submissions
	folder *atomic.Folder
	lock   string // the name of its file
	shared bool   // the lock, with others
	flock  locker

	handing *os.File
}

// OpenSubmissions takes the lock of an output's submissions without waiting. One that is held is a *LockedError; a folder
// or file that cannot be created is an *atomic.CreateError.
func OpenSubmissions(cfg Config) (*Submissions, error) {
	return openSubmissions(&Submissions{lock: submitLock}, cfg.Dir, cfg)
}

// OpenDatesSubmissions is [OpenSubmissions] for those of the outputs of many dates at once, whose records are in the folder
// above them. cfg.Dir is what messages call these outputs.
func OpenDatesSubmissions(d Dates, cfg Config) (*Submissions, error) {
	return openSubmissions(datesSubmissions(d), filepath.Clean(d.Above), cfg)
}

// JoinDatesSubmissions is [OpenDatesSubmissions] for who submits one of the dates by itself: others that do have it, too, and
// who submits many has not. It may be asked what has not ended, and closed.
func JoinDatesSubmissions(d Dates, cfg Config) (*Submissions, error) {
	s := datesSubmissions(d)
	s.shared = true
	return openSubmissions(s, filepath.Clean(d.Above), cfg)
}

func datesSubmissions(d Dates) *Submissions {
	return &Submissions{of: d.Submissions(), lock: record.Dir + "/_submit-" + d.name() + ".lock"}
}

func openSubmissions(s *Submissions, dir string, cfg Config) (_ *Submissions, err error) {
	cfg = cfg.WithDefaults()
	if s.folder, err = atomic.OpenFolder(dir, atomic.Options{Wrap: cfg.Disk, Tag: "submit"}); err != nil {
		return nil, err
	}
	if err := s.folder.MakeFolder(path.Dir(s.lock)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.flock, err = lockFile(s.folder, s.lock, cfg, s.shared); err != nil {
		var held *LockedError
		if errors.As(err, &held) {
			held.Submit = true
		}
		return nil, errors.Join(err, s.Close())
	}
	if err := s.lockHanding(cfg.Dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Handing is a file that a command inherits which hands an array to the engine: it keeps others from these submissions until
// it has ended, also where this process dies meanwhile. The caller must not close it.
func (s *Submissions) Handing() *os.File { return s.handing }

// lockHanding locks the file that [Submissions.Handing] returns. One that is still locked is a *LockedError.
func (s *Submissions) lockHanding(dir string) (err error) {
	name := s.lock + "-handing"
	if s.handing, err = s.folder.Root().OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		return atomic.Creating(s.folder.Path(name), err)
	}
	err = lockHandle(s.handing, s.shared)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return &LockedError{Path: dir, Submit: true, Handing: true}
	case err != nil:
		return locking(s.folder.Path(name), err)
	}
	return nil
}

// freeHanding frees that file, be it that a command which inherited it goes on: its answer is no more waited for.
func (s *Submissions) freeHanding() error {
	if s.handing == nil {
		return nil
	}
	if err := errors.Join(unlockHandle(s.handing), s.handing.Close()); err != nil {
		return &atomic.IOError{Op: "unlocking", Path: s.folder.Path(s.lock + "-handing"), Err: err}
	}
	return nil
}

// File is the path of the record of a submission.
func (s *Submissions) File(id string) string { return s.folder.Path(s.of.File(id)) }

// Unfinished is [record.Submissions.Unfinished] of these.
func (s *Submissions) Unfinished() (*record.Submission, error) {
	return s.of.Unfinished(s.folder.Path("."))
}

// submissionsKept is how many submissions stay, with their scripts and logs.
const submissionsKept = 20

// RemoveOld removes all but the last submissions, the oldest first.
func (s *Submissions) RemoveOld() error {
	files, err := s.of.List(s.folder.Path("."))
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

// Dir makes the folder of a submission's plans, scripts and logs, and returns its path.
func (s *Submissions) Dir(id string) (string, error) {
	dir := s.of.Folder(id)
	for _, below := range []string{"logs", "plans"} {
		if below == "plans" && s.of == "" { // one plan lies in the folder itself
			continue
		}
		if err := s.folder.MakeFolder(path.Join(dir, below)); err != nil {
			return "", err
		}
	}
	return filepath.Abs(s.folder.Path(dir))
}

// Save writes the record of a submission, over that of the same id. Errors are *atomic.CreateError or *atomic.IOError.
func (s *Submissions) Save(rec *record.Submission) error {
	return s.of.Write(s.folder, rec)
}

// WriteScript writes a script into the folder of a submission, whole or not at all, and returns its path.
func (s *Submissions) WriteScript(id, name string, content []byte) (file string, err error) {
	f, err := s.folder.Stage(path.Join(s.of.Folder(id), name))
	if err != nil {
		return "", err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Commit()
	}
	if err != nil {
		return "", errors.Join(err, f.Discard())
	}
	return filepath.Abs(s.folder.Path(path.Join(s.of.Folder(id), name)))
}

// Close frees the lock. The error is an *atomic.IOError.
func (s *Submissions) Close() error {
	return errors.Join(s.freeHanding(), unlock(s.flock, s.folder.Path(s.lock)), s.folder.Close())
}
