//go:build !linux && !darwin && !freebsd

package preflight

import (
	"os"
	"syscall"
)

// freeSpace is not known here.
func freeSpace(string) (free uint64, known bool) { return 0, false }

// mayCreateIn says why files may not be created in a folder, as far as its mode says.
func mayCreateIn(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && info.Mode().Perm()&0o222 == 0 {
		err = syscall.EACCES
	}
	return err
}
