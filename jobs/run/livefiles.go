package run

import (
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// settling is how long after a change files are read once more: of changes in quick succession their times tell nothing. So
// often files are tried, too, that cannot be used.
const settling = time.Second

// liveFiles is what some files mean, read anew when one of them changes. Files that cannot be used later change nothing, and a
// warning says why. It is safe for concurrent use.
type liveFiles[T any] struct {
	log   *slog.Logger
	read  func(anew bool) (T, error)
	paths []string

	mu    sync.Mutex
	kept  T
	seen  []fs.FileInfo
	again time.Time // when to read without a change, zero for never
	said  string    // why the files cannot be used, as the log has it
}

// newLiveFiles reads files. Those that are replaced meanwhile are read again.
func newLiveFiles[T any](log *slog.Logger, read func(anew bool) (T, error), paths ...string) (*liveFiles[T], error) {
	f := &liveFiles[T]{log: log, read: read, paths: paths}
	for {
		f.seen = f.look()
		var err error
		if f.kept, err = read(false); err == nil {
			f.readAgain()
			return f, nil
		}
		if same(f.seen, f.look()) {
			return nil, err
		}
	}
}

// value returns what the files mean now, or what they meant when they could be used last.
func (f *liveFiles[T]) value() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.look()
	changed := !same(f.seen, seen) && regular(seen)
	if !changed && (f.again.IsZero() || time.Now().Before(f.again)) {
		return f.kept
	}
	f.seen = seen // before they are read: what changes meanwhile is seen next time
	value, err := f.read(true)
	if err != nil {
		f.readAgain()
		if f.said != err.Error() {
			f.said = err.Error()
			f.log.Warn("what was read before stays in use", "files", strings.Join(f.paths, ", "), "error", err)
		}
		return f.kept
	}
	f.again = time.Time{}
	if changed {
		f.readAgain()
	}
	f.kept, f.said = value, ""
	return value
}

// readAgain sets when the files are read next, whatever they show. What is no regular file can be read once.
func (f *liveFiles[T]) readAgain() {
	f.again = time.Time{}
	if regular(f.seen) {
		f.again = time.Now().Add(settling)
	}
}

// regular reports whether files can be read more than once, as pipes cannot.
func regular(files []fs.FileInfo) bool {
	return !slices.ContainsFunc(files, func(info fs.FileInfo) bool { return info != nil && !info.Mode().IsRegular() })
}

// look returns nil for a file that cannot be seen.
func (f *liveFiles[T]) look() []fs.FileInfo {
	seen := make([]fs.FileInfo, len(f.paths))
	for i, path := range f.paths {
		if info, err := os.Stat(path); err == nil {
			seen[i] = info
		}
	}
	return seen
}

func same(a, b []fs.FileInfo) bool {
	for i, info := range a {
		switch other := b[i]; {
		case info == nil || other == nil:
			if info != other {
				return false
			}
		case !os.SameFile(info, other) || info.Size() != other.Size() || !info.ModTime().Equal(other.ModTime()):
			return false
		}
	}
	return true
}
