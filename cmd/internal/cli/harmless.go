package cli

import (
	"io"

	"graphscore/pipeline/display"
)

// harmless is a stream whose texts cannot command a terminal: what a command prints goes through one, so that no name in a
// file, and no error of a library that repeats one, has to be escaped where it is printed. JSON stays JSON: the escapes are
// those of its texts, which is all that has such characters there. Each Write must be of whole characters.
type harmless struct {
	to io.Writer
	// failed keeps the first error, where it is not nil: a command that prints a table does not look at each line.
	failed *error
}

// Write implements io.Writer: it writes the text escaped, and counts it as it was.
func (h harmless) Write(text []byte) (int, error) {
	if _, err := io.WriteString(h.to, display.Harmless(string(text))); err != nil {
		if h.failed != nil && *h.failed == nil {
			*h.failed = err
		}
		return 0, err
	}
	return len(text), nil
}

// raw returns the stream under one that is harmless: for a bar, which moves the cursor, and to ask what kind it is.
func raw(w io.Writer) io.Writer {
	if h, is := w.(harmless); is {
		return h.to
	}
	return w
}
