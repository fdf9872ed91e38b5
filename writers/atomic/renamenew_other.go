//go:build !linux

package atomic

// renameNew names a file of the folder fd, unless another has the name.
func renameNew(fd int, from, to string) error { return linkNew(fd, from, to) }
