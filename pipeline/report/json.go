package report

import (
	"encoding/json"
	"io"
)

// WriteJSON writes the report as indented JSON with a newline at its end. Every key is always there; run and sizes
// may be null.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
