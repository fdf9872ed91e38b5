//go:build unix && !linux

package atomic

import "os"

// renameNew names a file of a folder, unless another has the name.
func renameNew(dir *os.File, from, to string) error { return linkNew(dir, from, to) }
