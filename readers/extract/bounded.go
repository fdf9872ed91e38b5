package extract

import (
	"fmt"
	"os"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/dustin/go-humanize"
)

// The most memory that the library may have for a file at once: so much a byte of it, and always heldBase. A column that
// graphscore does not read may claim any size, and the library makes room for it.
const (
	heldBase    = 1 << 30
	heldPerByte = 64
)

// bounded is memory of which the library gets no more than a file justifies. What would be more is a panic with an *Error,
// in the caller's goroutine.
type bounded struct {
	memory.Allocator
	path       string
	held, most int64
}

// memoryFor returns the memory for a file that is open.
func memoryFor(f *os.File) (*bounded, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &bounded{Allocator: memory.DefaultAllocator, path: f.Name(), most: max(heldBase, heldPerByte*info.Size())}, nil
}

// Allocate implements [memory.Allocator].
func (m *bounded) Allocate(size int) []byte {
	m.take(int64(size))
	return m.Allocator.Allocate(size)
}

// Reallocate implements [memory.Allocator].
func (m *bounded) Reallocate(size int, b []byte) []byte {
	m.take(int64(size) - int64(len(b)))
	return m.Allocator.Reallocate(size, b)
}

// Free implements [memory.Allocator].
func (m *bounded) Free(b []byte) {
	m.held -= int64(len(b))
	m.Allocator.Free(b)
}

func (m *bounded) take(size int64) {
	if size > m.most-m.held {
		panic(&Error{Path: m.path, Reason: fmt.Sprintf(
			"its columns claim more than the %s that a file of its size may take: if it is whole, write it in smaller row groups or record batches", humanize.IBytes(uint64(m.most)))})
	}
	m.held += size
}
