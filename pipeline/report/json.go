package report

import (
	"io"

	"graphscore/pipeline/display"
)

// WriteJSON writes the report as indented JSON with a newline at its end. Every key is always there; run and sizes
// may be null.
func (r *Report) WriteJSON(w io.Writer) error {
	return display.JSON(w, r)
}
