//go:build unix

package run

import (
	"io/fs"
	"syscall"
)

// device is the number of the file system that a path is on, as stat sees it.
func device(stat func(string) (fs.FileInfo, error), path string) (number uint64, exists bool) {
	info, err := stat(path)
	if err != nil {
		return 0, false
	}
	status, is := info.Sys().(*syscall.Stat_t)
	if !is {
		return 0, false
	}
	return uint64(status.Dev), true //nolint:unconvert // int32 on macOS
}
