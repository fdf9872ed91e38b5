//go:build !unix

package pipelinetest

import "errors"

// Fifo fails: no file is a named pipe here.
func Fifo(string) error { return errors.ErrUnsupported }
