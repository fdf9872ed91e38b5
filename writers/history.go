package writers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
)

// recordLimit is the largest run record that is read: half a million shards.
const recordLimit = 256 << 20

// RecordError says that a file is not the record of a run.
type RecordError struct{ Path, Reason string }

func (e *RecordError) Error() string {
	return fmt.Sprintf("%q is not the record of a run: %s: name an output folder, or a file in its %s", e.Path, e.Reason, runsDir)
}

// Records lists the run records of an output by path, newest first: by the second in their names, which is the
// start of the run, and within one by when they were written. An output without any, even one that is not
// there, has none.
func Records(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, runsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &IOError{Op: "reading", Path: filepath.Join(dir, runsDir), Err: err}
	}
	type found struct {
		name    string
		written time.Time
	}
	var records []found
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && isRecord(e.Name()) { // another run may have removed it just now
			records = append(records, found{e.Name(), info.ModTime()})
		}
	}
	second := func(name string) string { return name[:len("20060102T150405Z")] }
	slices.SortFunc(records, func(a, b found) int {
		return cmp.Or(cmp.Compare(second(b.name), second(a.name)), b.written.Compare(a.written), cmp.Compare(b.name, a.name))
	})
	paths := make([]string, len(records))
	for i, r := range records {
		paths[i] = filepath.Join(dir, runsDir, r.name)
	}
	return paths, nil
}

// RecordOutput gives the output folder of a record by the path of its file; ok is false for a file that does not
// lie in the _runs of an output under the name of a record.
func RecordOutput(file string) (dir string, ok bool) {
	runs := filepath.Dir(file)
	return filepath.Dir(runs), filepath.Base(runs) == runsDir && isRecord(filepath.Base(file))
}

// ReadRecord reads the record of a run. Keys that it does not know are ignored, as a later version of graphscore
// may write more, and keys that are not there are zero. The error is an *IOError, or a *RecordError for anything
// that is not a record.
func ReadRecord(file string) (*RunRecord, error) {
	content, err := readSmall(file, recordLimit)
	if err != nil {
		return nil, err
	}
	// The fields of the same name that lie less deep tell whether the keys were there.
	var doc struct {
		RunRecord
		RunID  *string        `json:"run_id"`
		Counts *Counts        `json:"counts"`
		Shards *[]ShardRecord `json:"shards"`
	}
	if err := json.Unmarshal(content, &doc); err != nil {
		return nil, &RecordError{file, "it does not hold the JSON of one"}
	}
	if doc.RunID == nil || doc.Counts == nil || doc.Shards == nil {
		return nil, &RecordError{file, "run_id, counts or shards are missing"}
	}
	rec := doc.RunRecord
	rec.RunID, rec.Counts, rec.Shards = *doc.RunID, *doc.Counts, *doc.Shards
	return &rec, nil
}

// readSmall reads a regular file whole, unless it is larger than limit.
func readSmall(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, &IOError{Op: "reading", Path: file, Err: err}
	}
	if !info.Mode().IsRegular() { // opening a pipe blocks
		return nil, &RecordError{file, "it is not a file"}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, &IOError{Op: "reading", Path: file, Err: err}
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &IOError{Op: "reading", Path: file, Err: err}
	}
	if int64(len(content)) > limit {
		return nil, &RecordError{file, "it is larger than " + humanize.IBytes(uint64(limit))}
	}
	return content, nil
}

// Holder is the run that last held an output.
type Holder struct {
	RunID   string    `json:"run_id"`
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Start   time.Time `json:"start"`
	Version string    `json:"version"`
}

// LastHolder reads from the lock file who held the output last, and may hold it now. It does not touch the lock,
// so that a run that begins is not disturbed. It is nil where the file is not there or does not say.
func LastHolder(dir string) *Holder {
	content, err := readSmall(filepath.Join(dir, lockName), 64<<10)
	var h Holder
	if err != nil || json.Unmarshal(content, &h) != nil || h.RunID == "" {
		return nil
	}
	return &h
}

// Succeeded tells whether an output has its _SUCCESS: every planned part stands, and no gate failed.
func Succeeded(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, successName))
	return err == nil
}

// IsPartError tells whether an error is that of a single file which is no part, or a broken one: a reader of an
// output may name it and go on.
func IsPartError(err error) bool {
	var damaged *DamagedError
	return errors.As(err, &damaged) || errors.Is(err, ErrForeign)
}

// Size is the number of bytes of a part, 0 where it is gone.
func Size(dir, part string) int64 {
	info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(part)))
	if err != nil {
		return 0
	}
	return info.Size()
}
