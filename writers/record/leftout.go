package record

import (
	"strings"

	"graphscore/pipeline/display"
)

// LeftOut counts the names below the folders and globs of an input that were not read, by the rule that left them out.
type LeftOut struct {
	// Underscore and Dot count names that begin so: files, and folders with all that is in them.
	Underscore int64 `json:"underscore"`
	Dot        int64 `json:"dot"`
	// Other counts files that are neither Parquet nor Arrow.
	Other int64 `json:"other"`
	// Unfinished counts names of files that their writers have not finished.
	Unfinished int64 `json:"unfinished"`
}

// String says in one line what was left out, "" for nothing.
func (l LeftOut) String() string {
	var kinds []string
	for _, kind := range []struct {
		n         int64
		what, end string
	}{
		{l.Underscore, "name", " with _ in front"}, {l.Dot, "name", " with . in front"},
		{l.Other, "file", " neither Parquet nor Arrow"}, {l.Unfinished, "name", " of what is not finished"},
	} {
		if kind.n > 0 {
			kinds = append(kinds, display.Plural(kind.n, kind.what)+kind.end)
		}
	}
	return strings.Join(kinds, ", ")
}

// Sum is the number of all names that were left out.
func (l LeftOut) Sum() int64 { return l.Underscore + l.Dot + l.Other + l.Unfinished }
