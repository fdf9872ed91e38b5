package readers

import (
	"errors"
	"io"
	"os"

	"graphscore/readers/internal/arrow"
	"graphscore/readers/internal/column"
	"graphscore/readers/internal/parquet"
)

// Format is how a file is written.
type Format uint8

// The formats, found by content.
const (
	Unknown Format = iota
	Parquet
	ArrowFile
	ArrowStream
)

// String returns the name of the format.
func (f Format) String() string {
	return [...]string{"unknown", "parquet", "arrow file", "arrow stream"}[f]
}

// contents is an opened file of some format. One goroutine uses it.
type contents interface {
	// Fields describes the columns.
	Fields() []column.Field
	// Groups returns rows and bytes of the groups and refuses what cannot be read of the bound columns.
	Groups(b column.Binding) ([]column.Group, error)
	// Same reports whether Groups are those that were planned.
	Same(b column.Binding, planned []column.Group) (bool, error)
	// Open starts a group for columns, which are the same in every call.
	Open(i int, columns []*column.Column) error
	// FooterSize is the size of a Parquet footer, 0 for other formats.
	FooterSize() int64
	Close()
}

// detect finds the format by content. size must be the size of the file.
func detect(r io.ReaderAt, size int64) (Format, error) {
	if size == 0 {
		return Unknown, column.Unsupported("write it again, or remove it", "it is empty (0 bytes)")
	}
	head, tail := make([]byte, min(size, 8)), make([]byte, min(size, 8))
	if _, err := r.ReadAt(head, 0); err != nil {
		return Unknown, err
	}
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil {
		return Unknown, err
	}
	begins := func(magic string) bool { return len(head) >= len(magic) && string(head[:len(magic)]) == magic }
	ends := func(magic string) bool {
		return len(tail) >= len(magic) && string(tail[len(tail)-len(magic):]) == magic
	}
	switch {
	case begins("PAR1") || begins("PARE") || ends("PAR1") && size >= 12:
		return Parquet, nil
	case begins("ARROW1"):
		return ArrowFile, nil
	case begins("FEA1"):
		return Unknown, column.Unsupported("write it as Feather version 2 or Parquet", "it is Feather version 1, which cannot be read")
	case arrow.IsStream(r, size):
		return ArrowStream, nil
	}
	return Unknown, column.Unsupported("name Parquet or Arrow IPC files only", "it is neither Parquet nor Arrow")
}

// hasKnownContent looks into a file whose name promises nothing. An error means that it could not be read.
func hasKnownContent(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	format, err := detect(f, info.Size())
	var other *column.FormatError
	if errors.As(err, &other) {
		return false, nil
	}
	return format != Unknown, err
}

// openContents opens a file of a known format. footers may be nil.
func openContents(r io.ReaderAt, size int64, format Format, limit int64, footers *parquet.Footers) (c contents, err error) {
	err = column.Guard(func() error {
		switch format {
		case Parquet:
			p, err := parquet.Open(r, size, limit, footers)
			if err != nil {
				return err
			}
			p.Hint(arrow.ReadSchema)
			c = p
		default:
			a, err := arrow.Open(r, size, format == ArrowFile, limit)
			if err != nil {
				return err
			}
			c = a
		}
		return nil
	})
	return c, err
}
