package record

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

	"graphscore/writers/atomic"
)

// sizeLimit is the largest run record that is read: half a million shards.
const sizeLimit = 256 << 20

// Error says that a file is not the record of a run.
type Error struct{ Path, Reason string }

func (e *Error) Error() string {
	return fmt.Sprintf("%q is not the record of a run: %s: name an output folder, or a file in its %s", e.Path, e.Reason, Dir)
}

// List returns the run records of an output by path, newest first: by the second in their names, which is the
// start of the run, and within one by when they were written. An output without any, even one that is not
// there, has none.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(dir, Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: filepath.Join(dir, Dir), Err: err}
	}
	type found struct {
		name    string
		written time.Time
	}
	var records []found
	for _, e := range entries {
		if !IsName(e.Name()) {
			continue
		}
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // another run has removed it just now
		case err != nil:
			return nil, atomic.LookingFor(filepath.Join(dir, Dir, e.Name()), err)
		case info.Mode().IsRegular():
			records = append(records, found{e.Name(), info.ModTime()})
		}
	}
	second := func(name string) string { return name[:len("20060102T150405Z")] }
	slices.SortFunc(records, func(a, b found) int {
		return cmp.Or(cmp.Compare(second(b.name), second(a.name)), b.written.Compare(a.written), cmp.Compare(b.name, a.name))
	})
	paths := make([]string, len(records))
	for i, r := range records {
		paths[i] = filepath.Join(dir, Dir, r.name)
	}
	return paths, nil
}

// OutputOf returns the output folder of a record by the path of its file; ok is false for a file that does not
// lie in the _runs of an output under the name of a record.
func OutputOf(file string) (dir string, ok bool) {
	runs := filepath.Dir(file)
	return filepath.Dir(runs), filepath.Base(runs) == Dir && IsName(filepath.Base(file))
}

// Read reads the record of a run. Keys that it does not know are ignored, as a later version of graphscore
// may write more, and keys that are missing are zero. The error is an *atomic.IOError, or a *Error for anything
// that is not a record.
func Read(file string) (*Run, error) {
	content, err := readSmall(file, sizeLimit)
	if err != nil {
		return nil, err
	}
	// The fields of the same name that lie less deep show whether the keys were present.
	var doc struct {
		Run
		RunID  *string  `json:"run_id"`
		Counts *Counts  `json:"counts"`
		Shards *[]Shard `json:"shards"`
	}
	if err := json.Unmarshal(content, &doc); err != nil {
		return nil, &Error{file, "it does not hold the JSON of one"}
	}
	if doc.RunID == nil || doc.Counts == nil || doc.Shards == nil {
		return nil, &Error{file, "run_id, counts or shards are missing"}
	}
	rec := doc.Run
	rec.RunID, rec.Counts, rec.Shards = *doc.RunID, *doc.Counts, *doc.Shards
	return &rec, nil
}

// readSmall reads a regular file whole, unless it is larger than limit.
func readSmall(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: file, Err: err}
	}
	if !info.Mode().IsRegular() { // opening a pipe blocks
		return nil, &Error{file, "it is not a file"}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: file, Err: err}
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: file, Err: err}
	}
	if int64(len(content)) > limit {
		return nil, &Error{file, "it is larger than " + humanize.IBytes(uint64(limit))}
	}
	return content, nil
}
