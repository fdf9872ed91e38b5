package readers_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"

	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/readers"
)

// goodStream is a stream of one record batch, or of one whose rows are left out.
func goodStream(t *testing.T, empty bool, opts ...ipc.Option) []byte {
	t.Helper()
	rec := hostileRecord(t)
	if empty {
		rec = rec.NewSlice(0, 0)
	}
	var b bytes.Buffer
	w := ipc.NewWriter(&b, append(opts, ipc.WithSchema(rec.Schema()))...)
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// goodArrow is a file of one record batch.
func goodArrow(t *testing.T) []byte {
	t.Helper()
	rec, path := hostileRecord(t), filepath.Join(t.TempDir(), "a.arrow")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(rec.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// flat is a table of a flatbuffer in a file, at the place at.
type flat struct {
	file []byte
	at   int
}

func (f flat) u32(at int) int { return int(binary.LittleEndian.Uint32(f.file[at:])) }

// field is the place of field i.
func (f flat) field(i int) int {
	v := f.at - int(int32(f.u32(f.at)))
	return f.at + int(binary.LittleEndian.Uint16(f.file[v+4+2*i:]))
}

// table is the table that field i names, and vector the place of the number of elements of its vector.
func (f flat) table(i int) flat { return flat{f.file, f.vector(i)} }
func (f flat) vector(i int) int { return f.field(i) + f.u32(f.field(i)) }

// batchOf is the message of the record batch of a stream: the place of its length, the message, and its body.
func batchOf(stream []byte) (length int, message flat, body int) {
	length = 8 + int(binary.LittleEndian.Uint32(stream[4:])) + 4 // behind the schema, which has no body
	meta := length + 4
	size := int(binary.LittleEndian.Uint32(stream[length:]))
	return length, flat{stream, meta + int(binary.LittleEndian.Uint32(stream[meta:]))}, meta + size
}

// claiming is a copy of a file with another number of 8 or 4 bytes at a place.
func claiming[N int64 | int32](file []byte, at int, n N) []byte {
	b := bytes.Clone(file)
	if _, err := binary.Encode(b[at:], binary.LittleEndian, n); err != nil {
		panic(err) // the place is in the file
	}
	return b
}

// TestArrowMessagesThatClaimMuch: no message takes the memory that its lengths, its nodes or its buffers claim.
func TestArrowMessagesThatClaimMuch(t *testing.T) {
	const tera = int64(1 << 40)
	good := goodStream(t, false)
	length, message, _ := batchOf(good)
	batch := message.table(2)
	nodes, buffers := batch.vector(1)+4, batch.vector(2)+4
	ids, offsets := buffers+16, buffers+48 // behind the validity of each
	files := []hostile{
		{"nothing", good, ""},
		{"a schema of 2 GiB", claiming(good, 4, int32(1<<31-1)), "it is neither Parquet nor Arrow"},
		{"a message of 2 GiB", claiming(good, length, int32(1<<31-1)), "claims 2147483647 bytes where"},
		{"a message of -2 GiB", claiming(good, length, int32(-1<<31)), "claims -2147483648 bytes where"},
		{"a body of 1 TiB", claiming(good, message.field(3), tera), "claims a body of 1099511627776 bytes where"},
		{"a body of -1", claiming(good, message.field(3), int64(-1)), "claims a body of -1 bytes where"},
		{"2^62 rows", claiming(good, batch.field(0), int64(1<<62)), "a.arrows"},
		{"-1 rows", claiming(good, batch.field(0), int64(-1)), "has -1 rows"},
		{"a node of 2^62", claiming(good, nodes, int64(1<<62)), "a column has 4611686018427387904 rows in a record batch of 8"},
		{"half the rows", claiming(good, batch.field(0), int64(hostileRows/2)), "a column has 8 rows in a record batch of 4"},
		{"2^31 nodes", claiming(good, nodes-4, int32(1<<31-1)), "a.arrows"},
		{"2^31 buffers", claiming(good, buffers-4, int32(1<<31-1)), "a.arrows"},
		{"a buffer behind the body", claiming(good, ids, tera), "of a body of"},
		{"a buffer before the body", claiming(good, ids, int64(-8)), "of a body of"},
		{"a buffer of 1 TiB", claiming(good, ids+8, tera), "of a body of"},
		{"a buffer of -1", claiming(good, ids+8, int64(-1)), "of a body of"},
		{"an end of -1", claiming(good, ids, int64(1<<63-1)), "of a body of"},
		{"offsets behind the body", claiming(good, offsets, tera), "of a body of"},
		{"one buffer", claiming(good, buffers-4, int32(1)), "a.arrows"},
	}
	for name, opt := range map[string]ipc.Option{"zstd": ipc.WithZstd(), "lz4": ipc.WithLZ4()} {
		packed := goodStream(t, false, opt)
		_, message, body := batchOf(packed)
		ids := message.table(2).vector(2) + 4 + 16
		claim := body + int(binary.LittleEndian.Uint64(packed[ids:]))
		files = append(
			files, hostile{name, packed, ""},
			hostile{name + " that claims 1 TiB", claiming(packed, claim, tera), "claims 1099511627776 bytes"},
			hostile{name + " that claims -2", claiming(packed, claim, int64(-2)), "claims -2 bytes"},
			hostile{name + " that claims half", claiming(packed, claim, int64(4*hostileRows)), "a.arrows"},
			hostile{name + " that claims too much", claiming(packed, claim, int64(9*hostileRows)), "a.arrows"},
		)
	}
	refuse(t, ".arrows", files)
}

// TestArrowFootersThatClaimMuch is the same of the footers of files.
func TestArrowFootersThatClaimMuch(t *testing.T) {
	good := goodArrow(t)
	size := len(good) - 10
	begin := size - int(binary.LittleEndian.Uint32(good[size:]))
	footer := flat{good, begin + int(binary.LittleEndian.Uint32(good[begin:]))}
	blocks, fields := footer.vector(3), footer.table(1).vector(1)
	refuse(t, ".arrow", []hostile{
		{"nothing", good, ""},
		{"2 GiB", claiming(good, size, int32(1<<31-1)), "its footer claims 2147483647 bytes of a file of"},
		{"-1", claiming(good, size, int32(-1)), "its footer claims -1 bytes of a file of"},
		{"a million record batches", claiming(good, blocks, int32(1_000_000)), "a.arrow"},
		{"2^31 record batches", claiming(good, blocks, int32(1<<31-1)), "a.arrow"},
		{"a million columns", claiming(good, fields, int32(1_000_000)), "a.arrow"},
		{"2^31 columns", claiming(good, fields, int32(1<<31-1)), "a.arrow"},
		{"a record batch at 2^62", claiming(good, blocks+4, int64(1<<62)), "places an Arrow message at byte"},
		{"a record batch at -8", claiming(good, blocks+4, int64(-8)), "places an Arrow message at byte"},
	})
}

// repeated is a stream of one schema and the same message again and again, as a file that takes space on no disk.
type repeated struct {
	schema, message []byte
	size            int64
	reads           atomic.Int64
}

// ReadAt implements io.ReaderAt.
func (r *repeated) ReadAt(p []byte, off int64) (n int, err error) {
	r.reads.Add(1)
	for n < len(p) && off < r.size {
		piece := r.schema
		if at := off - int64(len(r.schema)); at >= 0 {
			piece = r.message[at%int64(len(r.message)):]
		} else {
			piece = piece[off:]
		}
		m := copy(p[n:], piece[:min(int64(len(piece)), r.size-off)])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// TestMillionEmptyBatches: a stream of a million record batches without rows ends, and takes as many calls and as much memory a
// batch as one of a tenth of them.
func TestMillionEmptyBatches(t *testing.T) { // not parallel: it measures what is allocated
	stream := goodStream(t, true)
	length, _, _ := batchOf(stream)
	var last, lastReads uint64
	for _, batches := range []int64{100_000, 1_000_000} {
		r := &repeated{schema: stream[:length-4], message: stream[length-4 : len(stream)-8]} // without the end of the stream
		r.size = int64(len(r.schema)) + batches*int64(len(r.message))
		path := filepath.Join(t.TempDir(), "a.arrows")
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, r.size)); err != nil {
			t.Fatal(err)
		}
		took := mutation.Allocated(func() {
			p := newPlan(t, readers.Config{File: func(string, io.ReaderAt) io.ReaderAt { return r }}, path)
			if len(p.Refused) > 0 || p.Rows != 0 || len(p.Files) != 1 || int64(p.Files[0].Groups) != batches {
				t.Fatalf("refused %v, %d rows of %d files", p.Refused, p.Rows, len(p.Files))
			}
			if got, err := readAll(t.Context(), p, 1); err != nil || len(got.graphs)+len(got.rejected) > 0 {
				t.Fatalf("%d graphs, %v", len(got.graphs), err)
			}
		})
		reads := uint64(r.reads.Load())
		t.Logf("%d record batches: %d reads, %d bytes allocated", batches, reads, took)
		if last > 0 && (took > 12*last || reads > 11*lastReads) {
			t.Errorf("%d record batches take %d reads and %d bytes, a tenth of them %d and %d", batches, reads, took, lastReads, last)
		}
		last, lastReads = took, reads
	}
}
