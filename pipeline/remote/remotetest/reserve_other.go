//go:build !unix

package remotetest

import (
	"errors"
	"testing"
)

// Reserve fails: sockets that are bound and do not listen do not keep an address here.
func Reserve() (address string, release func() error, err error) {
	return "", nil, errors.ErrUnsupported
}

// Reserved fails the test, as Reserve does.
func Reserved(t testing.TB) string {
	t.Helper()
	t.Fatal(errors.ErrUnsupported)
	return ""
}
