package extract

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"graphscore/readers/internal/column"
)

// groupRows is about how many rows make a row group or a record batch of the copy.
const groupRows = 4096

// output is the file that is written. Rows are gathered until they make a group.
type output struct {
	w    io.Writer
	form Form
	err  error // the first one of w

	path    string // of the file that the schema is from
	schema  *arrow.Schema
	writer  recordWriter
	pending [][]arrow.Array // [column], of one length each
	rows    int64
	written int64 // bytes
}

// recordWriter is what the writers of both forms have.
type recordWriter interface {
	Write(arrow.Record) error
	Close() error
}

// add takes rows of a file. The arrays belong to the output.
func (o *output) add(path string, fields []arrow.Field, columns []arrow.Array, rows int64) error {
	if o.schema == nil {
		o.path, o.schema, o.pending = path, arrow.NewSchema(fields, nil), make([][]arrow.Array, len(fields))
	}
	places, err := o.places(path, fields)
	if err != nil {
		return err
	}
	for i, at := range places {
		o.pending[at] = append(o.pending[at], columns[i])
	}
	if o.rows += rows; o.rows < groupRows {
		return nil
	}
	return o.flush()
}

// places are those of the fields of a file in the schema.
func (o *output) places(path string, fields []arrow.Field) ([]int, error) {
	differ := func(what string) error {
		return &Error{Path: path, Reason: fmt.Sprintf("%s, and one file has room for one kind of columns: give --file to export the graphs of one input at a time", what)}
	}
	places := make([]int, len(fields))
	for i, f := range fields {
		at := o.schema.FieldIndices(f.Name)
		if len(at) != 1 {
			return nil, differ(fmt.Sprintf("it has a column %s, which %s has not", f.Name, column.Printable(o.path)))
		}
		if was := o.schema.Field(at[0]); !arrow.TypeEqual(was.Type, f.Type) {
			return nil, differ(fmt.Sprintf("its column %s has the type %s, that of %s the type %s", f.Name, f.Type, column.Printable(o.path), was.Type))
		}
		places[i] = at[0]
	}
	if len(fields) != o.schema.NumFields() {
		return nil, differ(fmt.Sprintf("it has not all columns that %s has", column.Printable(o.path)))
	}
	return places, nil
}

// flush writes the rows that are gathered.
func (o *output) flush() error {
	if err := o.open(); err != nil {
		return err
	}
	columns := make([]arrow.Array, len(o.pending))
	for i, parts := range o.pending {
		whole, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return err
		}
		columns[i], o.pending[i] = whole, nil
	}
	rows := o.rows
	o.rows = 0
	return o.writer.Write(array.NewRecord(o.schema, columns, rows))
}

func (o *output) open() (err error) {
	switch {
	case o.writer != nil:
	case o.form == Arrow:
		o.writer, err = ipc.NewFileWriter(tellOnly{o}, ipc.WithSchema(o.schema))
	default:
		// Version 2 of data pages: those of version 1 take time that grows with the square of the rows.
		o.writer, err = pqarrow.NewFileWriter(o.schema, bare{o}, parquet.NewWriterProperties(
			parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithCompression(compress.Codecs.Zstd),
			parquet.WithDictionaryDefault(false), parquet.WithStats(false)), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	}
	return err
}

func (o *output) close() error {
	if o.schema == nil {
		return errors.New("there are no rows to copy")
	}
	if o.rows > 0 {
		if err := o.flush(); err != nil {
			return err
		}
	}
	return o.writer.Close()
}

// failed is what an error of the library means.
func (o *output) failed(err error) error {
	if o.err != nil {
		return o.err
	}
	advice := ".arrow"
	if o.form == Arrow {
		advice = ".parquet"
	}
	return &Error{o.path, fmt.Sprintf("the Arrow library cannot write its columns so (%v): try a name that ends in %s", err, advice), err}
}

// Write counts what reaches the file, and keeps its error: the library wraps it.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.written += int64(n)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// bare is a writer without Close: that of the library closes what it writes to.
type bare struct{ io.Writer }

// tellOnly is for the writer of Arrow files, which asks where it is and never goes elsewhere.
type tellOnly struct{ *output }

func (t tellOnly) Seek(int64, int) (int64, error) { return t.written, nil }
