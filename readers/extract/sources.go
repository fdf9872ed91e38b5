package extract

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"graphscore/readers"
)

const (
	// batchRows is the most rows that are decoded at once. The library reads some columns wrongly in small batches.
	batchRows = 16384
	// pageBuffer is how much of a column chunk is read at once.
	pageBuffer = 1 << 20
)

// fromParquet decodes the row groups of a Parquet file that have wanted rows.
func fromParquet(ctx context.Context, f *os.File, mem memory.Allocator, s *selection) error {
	props := parquet.NewReaderProperties(mem)
	props.BufferedStreamEnabled, props.BufferSize = true, pageBuffer
	pf, err := file.NewParquetReader(f, file.WithReadProps(props))
	if err != nil {
		return err
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: batchRows}, mem)
	if err != nil {
		return err
	}
	var leaves []int
	schema := pf.MetaData().Schema
	for i := range schema.NumColumns() {
		if s.reads(schema.Column(i).ColumnPath()[0]) {
			leaves = append(leaves, i)
		}
	}
	first := int64(0)
	for g := range pf.NumRowGroups() {
		n := pf.RowGroup(g).NumRows()
		if s.wants(first, n) {
			if err := fromGroup(ctx, fr, leaves, g, first, s); err != nil {
				return err
			}
			if s.wants(first, n) {
				return s.end()
			}
		}
		first += n
	}
	return s.end()
}

// fromGroup decodes a row group that begins at row first, up to its last wanted row.
func fromGroup(ctx context.Context, fr *pqarrow.FileReader, leaves []int, group int, first int64, s *selection) error {
	records, err := fr.GetRecordReader(ctx, leaves, []int{group})
	if err != nil {
		return err
	}
	defer records.Release()
	end := first + fr.ParquetReader().RowGroup(group).NumRows()
	for s.wants(first, end-first) && records.Next() {
		record := records.Record()
		if err := s.take(first, record); err != nil {
			return err
		}
		first += record.NumRows()
	}
	if err := records.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return ctx.Err()
}

// fromArrow decodes an Arrow file or stream.
func fromArrow(ctx context.Context, f *os.File, mem memory.Allocator, s *selection) error {
	next, done, err := arrowRecords(f, mem, s.rows.File.Format)
	if err != nil {
		return err
	}
	defer done()
	first := int64(0)
	for len(s.left) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		record, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := s.take(first, record); err != nil {
			return err
		}
		first += record.NumRows()
	}
	return s.end()
}

// arrowRecords yields the record batches of a file or a stream, and io.EOF at the end.
func arrowRecords(f *os.File, mem memory.Allocator, format readers.Format) (next func() (arrow.Record, error), done func(), err error) {
	if format == readers.ArrowStream {
		r, err := ipc.NewReader(f, ipc.WithAllocator(mem))
		if err != nil {
			return nil, nil, err
		}
		return r.Read, r.Release, nil
	}
	r, err := ipc.NewFileReader(f, ipc.WithAllocator(mem))
	if err != nil {
		return nil, nil, err
	}
	at := 0
	next = func() (arrow.Record, error) {
		if at == r.NumRecords() {
			return nil, io.EOF
		}
		at++
		return r.Record(at - 1)
	}
	return next, func() { _ = r.Close() }, nil // the file is closed by who opened it
}
