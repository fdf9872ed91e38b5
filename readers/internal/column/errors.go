package column

import (
	"fmt"

	"graphscore/pipeline/display"
)

// FormatError is a fault in the contents of a file.
type FormatError struct {
	// Reason says what is wrong and what to do.
	Reason string
	// Err is the cause, for a log: nil, or the panic that the contents caused.
	Err error
	// Whole: what was read of the file before is wrong as well.
	Whole bool
}

// Error returns the reason.
func (e *FormatError) Error() string { return e.Reason }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

const (
	hintDamaged = "the file is damaged or was cut, write or copy it again"
	hintColumns = "`columns:` in the job (or --column) maps other names"
	hintWeights = ", and `weights: none` (--column weights=none) makes every weight 1"
)

// Damaged is the usual fault: something does not fit.
func Damaged(format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...) + "; " + hintDamaged}
}

// Unsupported is a fault that comes with its own advice.
func Unsupported(advice, format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...) + "; " + advice}
}

// Misread is the fault of a file of which the graphs that were read before are wrong as well.
func Misread(advice, format string, args ...any) error {
	return &FormatError{Reason: fmt.Sprintf(format, args...) + "; " + advice, Whole: true}
}

// Guard runs f and turns a panic that the contents of a file caused into an error. It runs in the caller's
// goroutine, where recover reaches.
func Guard(f func() error) (err error) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		cause, ok := r.(error)
		if !ok {
			cause = fmt.Errorf("%v", r)
		}
		err = &FormatError{Reason: "invalid data; " + hintDamaged, Err: cause}
	}()
	return f()
}

// Changed is the fault of a file that is not the one that was planned.
func Changed() error {
	return Unsupported("run again when it is whole", "it was written to while this run read it")
}

// Printable keeps a hostile name from breaking a message into lines, and from commanding a terminal.
func Printable(name string) string {
	if len(name) > 300 {
		name = name[:300] + "..."
	}
	if name != display.Line(name) {
		return fmt.Sprintf("%q", name)
	}
	return name
}
