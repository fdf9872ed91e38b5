package readers

import (
	"io"
	"io/fs"
	"os"
	"slices"

	"graphscore/readers/internal/column"
)

// looked is an open file whose ends were read at once: planning looks at them again and again, and for most files at nothing
// else. It is used for one file after another, by one goroutine.
type looked struct {
	file       *os.File
	content    io.ReaderAt // of the file
	size       int64
	head, tail []byte // the first and the last bytes; tail is nil where head is the whole file

	columns []Column // of the file before
}

// share returns the columns of the file before where they are the same: many files keep them once.
func (l *looked) share(columns []Column) []Column {
	if !slices.Equal(columns, l.columns) {
		l.columns = columns
	}
	return l.columns
}

// at begins with another file of that size. A file that is shorter is a *column.FormatError.
func (l *looked) at(file *os.File, content io.ReaderAt, size int64) error {
	l.file, l.content, l.size = file, content, size
	if l.head == nil {
		l.head, l.tail = make([]byte, 0, edge), make([]byte, 0, edge)
	}
	l.head, l.tail = l.head[:min(size, edge)], l.tail[:min(max(size-edge, 0), edge)]
	if err := l.read(l.head, 0); err != nil {
		return err
	}
	return l.read(l.tail, size-int64(len(l.tail)))
}

// read fills p with the bytes of the file from a place on.
func (l *looked) read(p []byte, off int64) error {
	n, err := l.content.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF:
		return column.Damaged("it ends before the %d bytes that are its size", l.size)
	}
	return err
}

// ReadAt implements [io.ReaderAt].
func (l *looked) ReadAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	switch tail := l.size - int64(len(l.tail)); {
	case off < 0 || end > l.size:
	case end <= int64(len(l.head)):
		return copy(p, l.head[off:]), nil
	case off >= tail:
		return copy(p, l.tail[off-tail:]), nil
	}
	return l.content.ReadAt(p, off)
}

// Stat describes the file.
func (l *looked) Stat() (fs.FileInfo, error) { return l.file.Stat() }
