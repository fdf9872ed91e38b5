//go:build !linux

package slots

import (
	"errors"
	"math"
	"os"
)

func fileLimit() uint64 { return math.MaxUint64 }

func create(int64, int64) (*os.File, []byte, error) {
	return nil, nil, ErrNotLinux
}

func allocate(*os.File, int64, int64) error { return errors.ErrUnsupported }

func empty(*os.File, int64, int64) error { return errors.ErrUnsupported }

func unmap([]byte) error { return errors.ErrUnsupported }
