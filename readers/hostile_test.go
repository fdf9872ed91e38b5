package readers_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/readers"
)

const (
	// hostileRows is how many graphs the files have that hostile ones are made of, each of one node and one edge.
	hostileRows = 8
	// hostileLimit is Config.MaxRowBytes where hostile files are read, and hostileBase what any small file may take.
	hostileLimit = 8 << 20
	hostileBase  = 16 << 20
)

// hostile is a file that asks for more than its size justifies.
type hostile struct {
	name    string
	content []byte
	want    string // of the message, "" where it is read
}

// refuse reads hostile files. Each is refused in a sentence that names it, or read, with no more memory than the limit allows
// and 64 times its size.
func refuse(t *testing.T, ending string, files []hostile) {
	t.Helper()
	for _, h := range files {
		t.Run(h.name, func(t *testing.T) { // not parallel: it measures what is allocated
			path := filepath.Join(t.TempDir(), "a"+ending)
			if err := os.WriteFile(path, h.content, 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			took := mutation.Allocated(func() { err = readHostile(t, path) })
			if most := uint64(hostileBase + hostileLimit + 64*len(h.content)); took > most {
				t.Errorf("%d bytes allocated for a file of %d, at most %d are due", took, len(h.content), most)
			}
			if h.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused *readers.FileError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), h.want) {
				t.Errorf("error %v, want %q", err, h.want)
				return
			}
			checkMessage(t, err, path)
		})
	}
}

// readHostile reads a file as a model of one feature does. The error is the first one.
func readHostile(t *testing.T, path string) error {
	t.Helper()
	p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: path}}, MaxRowBytes: hostileLimit})
	if err != nil {
		return err
	}
	if len(p.Refused) > 0 {
		return p.Refused[0]
	}
	_, err = readAll(t.Context(), p, 1)
	return err
}

// hostileRecord has ids that may not be null, and graphs.
func hostileRecord(t *testing.T) arrow.Record {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "graph_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "node_feat", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32))},
		{Name: "edge_index", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))},
	}, nil)
	var rows []string
	for i := range hostileRows {
		rows = append(rows, fmt.Sprintf(`{"graph_id": %d, "node_feat": [[1]], "edge_index": [[0], [0]]}`, i))
	}
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+strings.Join(rows, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// goodParquet is a file that is read, to make hostile ones of.
func goodParquet(t *testing.T, codec compress.Compression) []byte {
	t.Helper()
	rec := hostileRecord(t)
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &b, parquet.NewWriterProperties(parquet.WithDictionaryDefault(false), parquet.WithCompression(codec)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withFooter is a file with another footer.
func withFooter(data, footer []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(append(bytes.Clone(data), footer...), uint32(len(footer))), "PAR1"...)
}

// reworked is the good file with more bytes in front of its footer, which begin at a place that change is told, and with a
// footer that change has changed.
func reworked(t *testing.T, codec compress.Compression, more []byte, change func(meta *metadata.FileMetaData, at int64)) []byte {
	t.Helper()
	good := goodParquet(t, codec)
	r, err := file.NewParquetReader(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	footer := int(binary.LittleEndian.Uint32(good[len(good)-8:]))
	data := slices.Concat(good[:len(good)-8-footer], more)
	meta := r.MetaData()
	change(meta, int64(len(data)-len(more)))
	var b bytes.Buffer
	if _, err := meta.WriteTo(&b, nil); err != nil {
		t.Fatal(err)
	}
	return withFooter(data, b.Bytes())
}

// withPages is the good file with other pages of its ids, the first of them at dictionary.
func withPages(t *testing.T, codec compress.Compression, dictionary bool, pages ...[]byte) []byte {
	t.Helper()
	more := bytes.Join(pages, nil)
	return reworked(t, codec, more, func(meta *metadata.FileMetaData, at int64) {
		c := meta.RowGroups[0].Columns[0].MetaData
		c.TotalCompressedSize, c.TotalUncompressedSize = int64(len(more)), int64(len(more))
		if c.DataPageOffset = at; dictionary {
			first := at
			c.DictionaryPageOffset, c.DataPageOffset = &first, at+int64(len(pages[0]))
		}
	})
}

// zigzag is a number as thrift has it.
func zigzag(n int) []byte { return binary.AppendUvarint(nil, uint64(n)<<1) }

// i32s are the fields of a struct of thrift from the first on, all of 32 bits.
func i32s(values ...int) (b []byte) {
	for _, v := range values {
		b = append(append(b, 0x15), zigzag(v)...)
	}
	return b
}

// The encodings of values, as parquet.thrift has them.
const plainValues, indexValues = 0, 8

// dataPage is a page of values with the header of DataPage V1: its size before and after compression, and how many there are.
func dataPage(size, stored, values, encoding int, body []byte) []byte {
	return bytes.Join([][]byte{i32s(0, size, stored), {0x2c}, i32s(values, encoding, 3, 3), {0, 0}, body}, nil)
}

// dictionaryPage is one of a dictionary.
func dictionaryPage(size, values int, body []byte) []byte {
	return bytes.Join([][]byte{i32s(2, size, len(body)), {0x4c}, i32s(values, plainValues), {0, 0}, body}, nil)
}

// packed are zeros, compressed by a codec.
func packed(t *testing.T, codec compress.Compression, zeros int) []byte {
	t.Helper()
	var b bytes.Buffer
	switch codec {
	case compress.Codecs.Snappy:
		return snappy.Encode(nil, make([]byte, zeros))
	case compress.Codecs.Gzip:
		w := gzip.NewWriter(&b)
		if _, err := w.Write(make([]byte, zeros)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case compress.Codecs.Zstd:
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, zeros)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestParquetPagesThatClaimMuch: no page takes the memory that its header, its levels or its codec claim.
func TestParquetPagesThatClaimMuch(t *testing.T) {
	const gib2 = 1<<31 - 1
	ids := make([]byte, 8*hostileRows)
	none, zstd := compress.Codecs.Uncompressed, compress.Codecs.Zstd
	one := dictionaryPage(8, 1, make([]byte, 8))
	indices := func(width byte, run int, value ...byte) []byte {
		body := append(append([]byte{width}, binary.AppendUvarint(nil, uint64(run)<<1)...), value...)
		return dataPage(len(body), len(body), hostileRows, indexValues, body)
	}
	files := []hostile{
		{"nothing", goodParquet(t, none), ""},
		{"pages of our own", withPages(t, none, false, dataPage(len(ids), len(ids), hostileRows, plainValues, ids)), ""},
		{"2 GiB stored", withPages(t, none, false, dataPage(gib2, gib2, hostileRows, plainValues, ids)), "claims 2147483647 bytes where"},
		{"2 GiB uncompressed", withPages(t, zstd, false, dataPage(gib2, len(ids), hostileRows, plainValues, ids)), "claims 2147483647 bytes, more than"},
		{"2^31 values", withPages(t, none, false, dataPage(len(ids), len(ids), gib2, plainValues, ids)), "has more values than the file announces"},
		{"a dictionary of 2^31", withPages(t, none, true, dictionaryPage(8, gib2, make([]byte, 8)), indices(1, hostileRows, 0)), "has 8 bytes for 2147483647 values"},
		{"dictionary", withPages(t, none, true, one, indices(1, hostileRows, 0)), ""},
		{"an index out of range", withPages(t, none, true, one, indices(3, hostileRows, 5)), "names entry 5 of a dictionary of 1"},
		{"indices of 33 bits", withPages(t, none, true, one, indices(33, hostileRows, 0, 0, 0, 0, 0)), "dictionary numbers of 33 bits"},
		{"a run of 2^31", withPages(t, none, true, one, indices(1, gib2, 0)), ""},
		{"a run of 2^62", withPages(t, none, true, one, indices(1, 1<<62, 0)), ""},
		{"indices without a dictionary", withPages(t, none, false, indices(1, hostileRows, 0)), "lacks its dictionary"},
	}
	for _, codec := range []compress.Compression{compress.Codecs.Snappy, compress.Codecs.Gzip, zstd} {
		bomb := packed(t, codec, 4*hostileLimit)
		honest, understated := dataPage(4*hostileLimit, len(bomb), hostileRows, plainValues, bomb), dataPage(len(ids), len(bomb), hostileRows, plainValues, bomb)
		files = append(files,
			hostile{codec.String() + " that says so", withPages(t, codec, false, honest), "more than 8388608"},
			hostile{codec.String() + " that says less", withPages(t, codec, false, understated), "page"},
			hostile{codec.String() + " of the dictionary", withPages(t, codec, true, dictionaryPage(8, 1, bomb), indices(1, hostileRows, 0)), "page"},
		)
	}
	refuse(t, ".parquet", files)
}

// TestParquetFootersThatClaimMuch: no footer takes the memory that its lengths and lists claim.
func TestParquetFootersThatClaimMuch(t *testing.T) {
	const million, huge = 1_000_000, 1<<31 - 1
	good := goodParquet(t, compress.Codecs.Uncompressed)
	plain := good[:len(good)-8-int(binary.LittleEndian.Uint32(good[len(good)-8:]))]
	list := func(n int, element ...byte) []byte { // of structs
		return append(append([]byte{0x19, 0xfc}, binary.AppendUvarint(nil, uint64(n))...), element...)
	}
	begin, rows, zeros := i32s(2), []byte{0x16, 0}, make([]byte, 1000)
	footer := func(parts ...[]byte) []byte { return withFooter(plain, bytes.Join(parts, nil)) }
	empty := append(list(0), rows...)
	group := []byte{0x19, 0x0c, 0x16, 0, 0x16, 0, 0} // of no columns, no bytes and no rows
	root := append([]byte{0x48, 0, 0x15}, append(zigzag(million), 0)...)
	leaf := []byte{0x15, 2, 0x25, 0, 0x18, 1, 'a', 0} // a number of 32 bits
	counts := func(change func(meta *metadata.FileMetaData)) []byte {
		return reworked(t, compress.Codecs.Uncompressed, nil, func(meta *metadata.FileMetaData, _ int64) { change(meta) })
	}
	refuse(t, ".parquet", []hostile{
		{"2^31 bytes", append(binary.LittleEndian.AppendUint32(bytes.Clone(plain), 1<<31), "PAR1"...), "claims 2147483648 bytes of a file of"},
		{"2^32 bytes", append(binary.LittleEndian.AppendUint32(bytes.Clone(plain), 1<<32-1), "PAR1"...), "claims 4294967295 bytes of a file of"},
		{"a million columns claimed", footer(begin, list(million), zeros), "footer cannot be parsed"},
		{"a million columns", footer(begin, list(million+1, root...), bytes.Repeat(leaf, million), rows, list(0), []byte{0}), "it has 1000001 columns and groups of columns, more than 131072"},
		{"2^31 columns below the root", footer(begin, list(1, append(append([]byte{0x48, 0, 0x15}, zigzag(huge)...), 0)...), rows, list(0), []byte{0}), "footer cannot be parsed"},
		{"a million row groups claimed", footer(begin, empty, list(million), zeros), "footer cannot be parsed"},
		{"2^62 row groups claimed", footer(begin, empty, []byte{0x19, 0xfc}, binary.AppendUvarint(nil, 1<<62), zeros), "footer cannot be parsed"},
		{"a million row groups of nothing", footer(begin, empty, list(million), make([]byte, million)), "footer cannot be parsed"},
		{"a million row groups", footer(begin, empty, list(million), bytes.Repeat(group, million), []byte{0}), "a.parquet"},
		{"a name of 2 GiB", footer(begin, list(1, append(append([]byte{0x48}, binary.AppendUvarint(nil, huge)...), zeros...)...)), "footer cannot be parsed"},
		{"nested 10,000 deep", footer(begin, list(10_001), bytes.Repeat([]byte{0x48, 0, 0x15, 2, 0}, 10_000), leaf, rows, list(0), []byte{0}), "footer cannot be parsed"},
		{"unknown, nested 1 MB deep", footer(begin, bytes.Repeat([]byte{0x8c}, 1<<20)), "footer cannot be parsed"},
		{"2^62 rows", counts(func(meta *metadata.FileMetaData) { meta.NumRows, meta.RowGroups[0].NumRows = 1<<62, 1<<62 }), "a.parquet"},
		{"2^62 bytes of a chunk", counts(func(meta *metadata.FileMetaData) { meta.RowGroups[0].Columns[0].MetaData.TotalCompressedSize = 1 << 62 }), "a.parquet"},
		{"a chunk at -1", counts(func(meta *metadata.FileMetaData) { meta.RowGroups[0].Columns[0].MetaData.DataPageOffset = -1 }), "a.parquet"},
		{"2^62 values of a chunk", counts(func(meta *metadata.FileMetaData) { meta.RowGroups[0].Columns[0].MetaData.NumValues = 1 << 62 }), "a.parquet"},
	})
}
