//go:build linux || darwin || freebsd

package preflight

import "golang.org/x/sys/unix"

// freeSpace is what this user may still write to the disk of a folder, in bytes.
func freeSpace(dir string) (free uint64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return uint64(max(s.Bavail, 0)) * uint64(s.Bsize), true //nolint:unconvert // the types differ between systems
}

// mayCreateIn says why this user may not create files in a folder. Nothing is created to find out.
func mayCreateIn(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
