package jobtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// PrintRows prints a part as a table: its columns as NAME:TYPE, then a line a row.
func PrintRows(ctx context.Context, w io.Writer, name string) (err error) {
	f, err := file.OpenParquetFile(name, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	schema, err := r.Schema()
	if err != nil {
		return err
	}
	var columns []string
	for _, field := range schema.Fields() {
		columns = append(columns, field.Name+":"+field.Type.String())
	}
	fmt.Fprintln(w, strings.Join(columns, " "))
	records, err := r.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return err
	}
	defer records.Release()
	for records.Next() {
		record := records.Record()
		for row := range int(record.NumRows()) {
			var values []string
			for _, column := range record.Columns() {
				values = append(values, column.ValueStr(row))
			}
			fmt.Fprintln(w, strings.Join(values, " "))
		}
	}
	return nil
}

// PrintSums prints the sha256 of every part and quarantine file below a folder: what must not depend on anything but
// the input.
func PrintSums(w io.Writer, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".parquet") && !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		fmt.Fprintf(w, "%x  %s\n", sha256.Sum256(content), rel)
		return err
	})
}
