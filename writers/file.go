package writers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// WriteFile puts a file that is no part in its place, whole or not at all: written beside it under a temporary
// name, synced and renamed. Its folder must be there. It takes no lock, so that a report may be written while a
// run goes on; in an output its name should begin with an underscore, which readers of scores skip. The error is
// a *CreateError or an *IOError.
func WriteFile(file string, content []byte) error {
	err := writeFile(file, content)
	if errors.Is(err, os.ErrNotExist) {
		if _, gone := os.Stat(filepath.Dir(file)); gone == nil {
			return writeFile(file, content) // a run that began has tidied up
		}
	}
	return err
}

func writeFile(file string, content []byte) (err error) {
	// A number far above those of a run's own temporary files, which it would stumble over.
	temp := filepath.Join(filepath.Dir(file), fmt.Sprintf("%s%d%s", tempPrefix, time.Now().UnixNano(), tempSuffix))
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return &CreateError{Path: file, Err: err}
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp) // the first error counts
		}
	}()
	n, err := f.Write(content)
	if err != nil {
		return &IOError{Op: "writing", Path: file, Err: errors.Join(err, f.Close()), Written: int64(n), Need: int64(len(content) - n)}
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return &IOError{Op: "syncing", Path: file, Err: err}
	}
	if info, err := os.Lstat(file); err == nil && info.IsDir() {
		return &CreateError{Path: file, Err: errors.New("it is a folder")}
	}
	if err := os.Rename(temp, file); err != nil {
		return &IOError{Op: "renaming to", Path: file, Err: err}
	}
	return syncName(file)
}

// syncName makes the name of a file durable.
func syncName(file string) error {
	d, err := os.Open(filepath.Dir(file))
	if errors.Is(err, os.ErrPermission) { // a folder that may be written but not read cannot be synced
		return nil
	}
	if err != nil {
		return &IOError{Op: "syncing the folder of", Path: file, Err: err}
	}
	defer d.Close()
	if err := syncFolder(d); err != nil {
		return &IOError{Op: "syncing the folder of", Path: file, Err: err}
	}
	return nil
}
