//go:build !unix

package cli

import (
	"context"
	"io"
)

// dropUnread returns the stream as it is.
func dropUnread(_ context.Context, w io.Writer) io.Writer { return w }
