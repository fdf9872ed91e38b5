package report

import "fmt"

// NotFoundError says that there is nothing under a path.
type NotFoundError struct{ Path string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%q does not exist: name an output folder, or a file in its _runs", e.Path)
}

// NotOutputError says that a folder is not the output of a run.
type NotOutputError struct{ Path, Reason string }

func (e *NotOutputError) Error() string {
	return fmt.Sprintf("%q is not the output of a run: %s", e.Path, e.Reason)
}
