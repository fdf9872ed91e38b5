// Package extract copies rows of input files into a file of their own, as they are: what is wrong with a graph stays
// wrong, so that a run over the copy meets the same graphs.
//
// Only the columns that graphscore reads are copied, under their names and with their types. The files are decoded by
// the Arrow library, in the caller's goroutine and a row group or record batch at a time, and it is known to decode
// some columns wrongly: who extracts compares the copy with the input, as readers read both.
package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"graphscore/pipeline/display"
	"graphscore/readers"
	"graphscore/readers/internal/column"
)

// Rows are rows of one file.
type Rows struct {
	File *readers.File
	// Wanted is what was read of the file.
	Wanted readers.Wanted
	// Places are those of the rows in the file, from 0, ascending.
	Places []int64
}

// Form is how the copy is written.
type Form uint8

// The forms.
const (
	Parquet Form = iota
	Arrow        // an IPC file
)

// FormOf returns the form of a file by the end of its name; ok is false for other ends.
func FormOf(name string) (form Form, ok bool) {
	switch {
	case strings.HasSuffix(name, ".parquet"):
		return Parquet, true
	case strings.HasSuffix(name, ".arrow"), strings.HasSuffix(name, ".feather"), strings.HasSuffix(name, ".ipc"):
		return Arrow, true
	}
	return 0, false
}

// Error says that rows cannot be copied. Nothing is wrong with the output that they are missing from.
type Error struct {
	// Path is the file that it is about.
	Path, Reason string
	Err          error
}

func (e *Error) Error() string {
	return fmt.Sprintf("copying graphs of %s: %s", column.Printable(e.Path), e.Reason)
}

// Unwrap returns the cause, nil where there is none.
func (e *Error) Unwrap() error { return e.Err }

// Write writes the rows of the files to w, in the order given. All files must have the same columns. Errors are an
// *Error, the error of w, or that of ctx.
func Write(ctx context.Context, w io.Writer, form Form, files []Rows) error {
	out := &output{w: w, form: form}
	for _, f := range files {
		err := column.Guard(func() error { return copyRows(ctx, f, out) })
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if out.err != nil {
			return out.err
		}
		var known *Error
		if errors.As(err, &known) {
			return known
		}
		return &Error{f.File.Path, fmt.Sprintf("the Arrow library cannot decode what it must (%v)", display.Cause(err)), err}
	}
	if err := column.Guard(out.close); err != nil {
		return out.failed(err)
	}
	return nil
}

func copyRows(ctx context.Context, f Rows, out *output) error {
	if len(f.Places) == 0 {
		return nil
	}
	file, err := os.Open(f.File.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	mem, err := memoryFor(file)
	if err != nil {
		return err
	}
	s := &selection{rows: f, left: f.Places, out: out}
	if f.File.Format == readers.Parquet {
		return fromParquet(ctx, file, mem, s)
	}
	return fromArrow(ctx, file, mem, s)
}

// selection takes the wanted rows out of records, which come in the order of the file.
type selection struct {
	rows Rows
	left []int64 // that have not come
	out  *output
}

// wants reports whether one of the rows from first to first+n-1 is wanted.
func (s *selection) wants(first, n int64) bool { return len(s.left) > 0 && s.left[0] < first+n }

// take copies the wanted rows of a record that begins at row first.
func (s *selection) take(first int64, record arrow.Record) error {
	var wanted []int64
	for len(s.left) > 0 && s.left[0] < first+record.NumRows() {
		wanted, s.left = append(wanted, s.left[0]-first), s.left[1:]
	}
	if len(wanted) == 0 {
		return nil
	}
	fields := make([]arrow.Field, 0, record.NumCols())
	columns := make([]arrow.Array, 0, record.NumCols())
	for i, field := range record.Schema().Fields() {
		if !s.reads(field.Name) {
			continue
		}
		picked, err := pick(record.Column(i), wanted)
		if err != nil {
			return err
		}
		field.Nullable = true
		fields, columns = append(fields, field), append(columns, picked)
	}
	return s.out.add(s.rows.File.Path, fields, columns, int64(len(wanted)))
}

// reads reports whether graphscore reads a column of the file.
func (s *selection) reads(name string) bool {
	return s.rows.File.Reads(s.rows.Wanted.Inputs, name)
}

// end reports rows that have not come, though the file was announced to have them.
func (s *selection) end() error {
	if len(s.left) == 0 {
		return nil
	}
	return &Error{Path: s.rows.File.Path, Reason: fmt.Sprintf("the Arrow library finds no row %d in it", s.left[0])}
}

// pick copies values out of an array.
func pick(a arrow.Array, places []int64) (arrow.Array, error) {
	var runs []arrow.Array
	for i := 0; i < len(places); {
		j := i + 1
		for j < len(places) && places[j] == places[j-1]+1 {
			j++
		}
		run := array.NewSlice(a, places[i], places[j-1]+1)
		defer run.Release() // it refers to the whole array
		runs, i = append(runs, run), j
	}
	return array.Concatenate(runs, memory.DefaultAllocator)
}
