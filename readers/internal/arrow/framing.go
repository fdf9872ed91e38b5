package arrow

import (
	"fmt"
	"io"

	"graphscore/readers/internal/column"
)

// The headers of messages.
const (
	messageSchema     = 1
	messageDictionary = 2
	messageBatch      = 3
)

// continuation begins every message since Arrow 0.15.
const continuation = 0xFFFFFFFF

// maxMeta is the most that the description of one message may take.
const maxMeta = 64 << 20

// message is the place of a message of Arrow IPC in its file.
type message struct {
	kind       byte
	version    int
	rows       int64 // of a record batch
	meta, body int64 // places
	metaLen    int64
	bodyLen    int64
	after      int // of a dictionary: how many record batches are before it
}

// framing walks over the messages between two places of a file and compares every length with them.
type framing struct {
	r       io.ReaderAt
	at, end int64
}

// next returns the next message and its description, io.EOF at the end. The description is the caller's.
func (f *framing) next() (message, []byte, error) {
	var m message
	var head [8]byte
	if f.at == f.end {
		return m, nil, io.EOF
	}
	size, err := f.length(&head)
	if err != nil {
		return m, nil, err
	}
	if size == 0 {
		return m, nil, io.EOF
	}
	if size < 8 || size > min(f.end-f.at, maxMeta) {
		return m, nil, column.Damaged("an Arrow message claims %d bytes where %d are left", size, f.end-f.at)
	}
	meta := make([]byte, size)
	if _, err := f.r.ReadAt(meta, f.at); err != nil {
		return m, nil, err
	}
	t := rootTable(meta)
	m = message{
		kind: t.byte(1, 0), version: t.short(0), bodyLen: t.long(3),
		meta: f.at, metaLen: size, body: f.at + size,
	}
	f.at += size
	if m.bodyLen < 0 || m.bodyLen > f.end-f.at {
		return m, nil, column.Damaged("an Arrow message claims a body of %d bytes where %d are left", m.bodyLen, f.end-f.at)
	}
	f.at += m.bodyLen
	return m, meta, nil
}

// length reads the size before a message.
func (f *framing) length(head *[8]byte) (int64, error) {
	n := min(8, f.end-f.at)
	if _, err := f.r.ReadAt(head[:n], f.at); err != nil {
		return 0, err
	}
	if n < 4 {
		return 0, column.Damaged("it ends in the middle of an Arrow message")
	}
	first := le.Uint32(head[:])
	if first != continuation { // written before Arrow 0.15
		f.at += 4
		return int64(int32(first)), nil
	}
	if n < 8 {
		return 0, column.Damaged("it ends in the middle of an Arrow message")
	}
	f.at += 8
	return int64(int32(le.Uint32(head[4:]))), nil
}

// IsStream says whether a file begins with a schema message.
func IsStream(r io.ReaderAt, size int64) bool {
	is := false
	err := column.Guard(func() error {
		f := framing{r: r, end: size}
		m, meta, err := f.next()
		if err != nil {
			return err
		}
		_, has := rootTable(meta).table(2)
		is = m.kind == messageSchema && has
		return nil
	})
	return err == nil && is
}

// streamMessages finds schema, dictionaries and record batches of a stream.
func (a *File) streamMessages(size int64) error {
	f := framing{r: a.r, end: size}
	for {
		m, meta, err := f.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		header, ok := rootTable(meta).table(2)
		if !ok {
			return column.Damaged("an Arrow message is empty")
		}
		if (m.kind == messageSchema) != (a.schema == nil) {
			return column.Damaged("its schema is not the first message, or it has two")
		}
		if m.kind == messageSchema {
			err = a.readSchema(header)
		} else {
			err = a.file(m, header)
		}
		if err != nil {
			return err
		}
	}
	if f.at != f.end {
		return column.Unsupported("cut it, or write each stream into a file of its own", "%d bytes follow its end", f.end-f.at)
	}
	return nil
}

// fileMessages finds schema, dictionaries and record batches of a file through its footer. What is between
// them need not look like a stream: Polars leaves the length of the schema out.
func (a *File) fileMessages(size int64) error {
	footer, end, err := readFooter(a.r, size)
	if err != nil {
		return err
	}
	schema, ok := footer.table(1)
	if !ok {
		return column.Damaged("its footer has no schema")
	}
	if err := a.readSchema(schema); err != nil {
		return err
	}
	for _, kind := range []byte{messageDictionary, messageBatch} {
		blocks, n := footer.vector(int(kind), 24) // whose fields happen to have the numbers of the kinds
		for i := range n {
			f := framing{r: a.r, at: int64(le.Uint64(blocks[24*i:])), end: end}
			if f.at < 8 || f.at >= end {
				return column.Damaged("its footer places an Arrow message at byte %d of %d", f.at, size)
			}
			m, meta, err := f.next()
			if err != nil && err != io.EOF {
				return err
			}
			header, ok := fbTable{}, false
			if err == nil {
				header, ok = rootTable(meta).table(2)
			}
			if !ok || m.kind != kind {
				return column.Damaged("its footer points to an Arrow message that is missing or of another kind")
			}
			if err := a.file(m, header); err != nil {
				return err
			}
		}
	}
	return nil
}

// readFooter returns the footer of a file, and where it begins.
func readFooter(r io.ReaderAt, size int64) (footer fbTable, at int64, err error) {
	var end [10]byte
	if size < 18 {
		return fbTable{}, 0, column.Damaged("it has %d bytes, too few for Arrow", size)
	}
	if _, err := r.ReadAt(end[:], size-10); err != nil {
		return fbTable{}, 0, err
	}
	length := int64(int32(le.Uint32(end[:])))
	if string(end[4:]) != "ARROW1" {
		return fbTable{}, 0, column.Damaged("it begins like an Arrow file, but its footer is missing")
	}
	if length < 8 || length > size-18 {
		return fbTable{}, 0, column.Damaged("its footer claims %d bytes of a file of %d", length, size)
	}
	b := make([]byte, length)
	if _, err := r.ReadAt(b, size-10-length); err != nil {
		return fbTable{}, 0, err
	}
	return rootTable(b), size - 10 - length, nil
}

// file files a message other than the schema.
func (a *File) file(m message, header fbTable) error {
	switch m.kind {
	case messageBatch:
		if m.rows = header.long(0); m.rows < 0 {
			return column.Damaged("a record batch has %d rows", m.rows)
		}
		a.batches = append(a.batches, m)
	case messageDictionary:
		m.after = len(a.batches)
		a.dictionaries = append(a.dictionaries, m)
	default:
		return column.Unsupported("write tables only", "it holds a message of kind %d, which cannot be read", m.kind)
	}
	return nil
}

// recordBatch is the description of a record batch, with the place of every buffer compared with its body.
type recordBatch struct {
	message
	table    fbTable
	nodes    []byte
	nodeLen  int
	buffers  []byte
	bufLen   int
	codec    int // -1: none
	variadic []byte
}

const (
	codecLZ4  = 0
	codecZstd = 1
)

func newRecordBatch(m message, t fbTable) (*recordBatch, error) {
	b := &recordBatch{message: m, table: t, codec: -1}
	b.nodes, b.nodeLen = t.vector(1, 16)
	b.buffers, b.bufLen = t.vector(2, 16)
	b.variadic, _ = t.vector(4, 8)
	if c, ok := t.table(3); ok {
		b.codec = int(int8(c.byte(0, 0)))
		if b.codec != codecLZ4 && b.codec != codecZstd || c.byte(1, 0) != 0 {
			return nil, column.Unsupported("rewrite it with zstd or lz4", "its buffers use codec %d, which cannot be read", b.codec)
		}
	}
	return b, nil
}

// node returns length and number of nulls of an array.
func (b *recordBatch) node(i int) (length, nulls int64) {
	return int64(le.Uint64(b.nodes[16*i:])), int64(le.Uint64(b.nodes[16*i+8:]))
}

// buffer returns the place of a buffer in the file.
func (b *recordBatch) buffer(i int) (at, length int64, err error) {
	at, length = int64(le.Uint64(b.buffers[16*i:])), int64(le.Uint64(b.buffers[16*i+8:]))
	if at < 0 || length < 0 || at > b.bodyLen || length > b.bodyLen-at {
		return 0, 0, column.Damaged("a buffer claims bytes %d to %d of a body of %d", at, at+length, b.bodyLen)
	}
	return b.body + at, length, nil
}

// readMeta reads the description of a message again.
func (a *File) readMeta(m message) (fbTable, error) {
	meta := make([]byte, m.metaLen)
	if _, err := a.r.ReadAt(meta, m.meta); err != nil {
		return fbTable{}, err
	}
	header, ok := rootTable(meta).table(2)
	if !ok {
		return fbTable{}, fmt.Errorf("an Arrow message is empty: %w", column.Changed())
	}
	return header, nil
}
