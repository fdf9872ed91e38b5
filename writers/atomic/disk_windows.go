package atomic

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// renameNew names a file of a folder, unless another has the name.
func renameNew(dir *os.File, from, to string) error {
	old, err := windows.UTF16PtrFromString(filepath.Join(dir.Name(), from))
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(filepath.Join(dir.Name(), to))
	if err != nil {
		return err
	}
	return windows.MoveFileEx(old, name, windows.MOVEFILE_WRITE_THROUGH)
}

// syncFolder does nothing: Windows flushes no folder, and NTFS keeps names in a journal.
func syncFolder(*os.File) error { return nil }

// syncUnread returns the error of a folder that cannot be opened.
func syncUnread(err error) error { return err }
