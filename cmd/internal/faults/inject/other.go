//go:build !linux || !amd64

package inject

import (
	"context"
	"fmt"
	"runtime"
)

// Run is there for linux/amd64 only: elsewhere it returns an error.
func Run(context.Context, Program, string, func(Call) Fault) (Ended, error) {
	return Ended{}, fmt.Errorf("making system calls fail: it needs linux/amd64, and this is %s/%s", runtime.GOOS, runtime.GOARCH)
}
