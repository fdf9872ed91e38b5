package readers

import (
	"errors"

	"golang.org/x/sys/windows"
)

// noName reports whether the error is that no file can have the name, as one with an asterisk.
func noName(err error) bool { return errors.Is(err, windows.ERROR_INVALID_NAME) }
