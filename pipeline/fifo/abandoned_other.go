//go:build !linux

package fifo

// abandoned is false: what poll returns for a pipe without a writer differs between systems.
func (file) abandoned() bool { return false }
