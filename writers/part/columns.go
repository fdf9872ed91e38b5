package part

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/klauspost/compress/zstd"

	"graphscore/pipeline/graph"
)

// chunk is one column of the row group that is being filled: compressed pages, and the plain values of the block
// that will be the next page.
type chunk struct {
	encoding parquet.Encoding // of the block
	raw      []byte
	pages    []cutPage
	dict     []byte // plain values of the dictionary, nil where there is none
	entries  int
}

// cutPage is a compressed page.
type cutPage struct {
	data      []byte
	encoding  parquet.Encoding
	rows, raw int
}

// cut turns the block into a page.
func (c *chunk) cut(z *zstd.Encoder, scratch []byte, rows int) []byte {
	scratch = z.EncodeAll(c.raw, scratch[:0])
	c.pages = append(c.pages, cutPage{bytes.Clone(scratch), c.encoding, rows, len(c.raw)})
	c.raw = c.raw[:0]
	return scratch
}

func (c *chunk) size() int { return len(c.raw) }

// flush writes the pages as a column chunk of the file and empties the column. lo and hi are the smallest and the
// largest value, nil for columns without statistics. The result is the plain size of
// the chunk with its headers.
func (c *chunk) flush(to Target, z *zstd.Encoder, meta *metadata.ColumnChunkMetaDataBuilder, group, column int, lo, hi []byte) (int64, error) {
	w, err := file.NewPageWriter(to, compress.Codecs.Zstd, zstdLevel, meta, int16(group), int16(column),
		memory.DefaultAllocator, false, nil, nil)
	if err != nil {
		return 0, err
	}
	begin := to.Tell()
	info := metadata.ChunkMetaInfo{IndexPageOffset: -1}
	pages := metadata.EncodingStats{DictEncodingStats: map[parquet.Encoding]int32{}, DataEncodingStats: map[parquet.Encoding]int32{}}
	if c.dict != nil {
		header, err := writeDictionary(to, z, c.dict, c.entries)
		if err != nil {
			return 0, err
		}
		info.DictPageOffset, info.UncompressedSize = begin, int64(header+len(c.dict))
		pages.DictEncodingStats[parquet.Encodings.Plain]++
	}
	info.DataPageOffset = to.Tell()
	for _, pg := range c.pages {
		p := file.NewDataPageV1WithStats(memory.NewBufferBytes(pg.data), int32(pg.rows), pg.encoding,
			parquet.Encodings.RLE, parquet.Encodings.RLE, int32(pg.raw), metadata.EncodedStatistics{})
		size, err := w.WriteDataPage(p)
		if err != nil {
			return 0, err
		}
		info.UncompressedSize += size - int64(len(pg.data)) + int64(pg.raw)
		info.NumValues += int64(pg.rows)
		pages.DataEncodingStats[pg.encoding]++
	}
	info.CompressedSize = to.Tell() - begin
	if lo != nil {
		var stats metadata.EncodedStatistics
		stats.SetMin(lo).SetMax(hi).SetNullCount(0).Signed = true
		meta.SetStats(stats)
	}
	if err := meta.Finish(info, c.dict != nil, c.mixed(), pages, nil); err != nil {
		return 0, err
	}
	if _, err := meta.WriteTo(to); err != nil {
		return 0, err
	}
	stats := meta.Contents().MetaData.EncodingStats // arrow lists them in the order of a map
	sort.SliceStable(stats, func(i, j int) bool { return stats[i].Encoding < stats[j].Encoding })
	clear(c.pages)
	c.pages, c.dict, c.entries = c.pages[:0], nil, 0
	return info.UncompressedSize, nil
}

// mixed reports whether plain pages lie beside those that have a dictionary.
func (c *chunk) mixed() bool {
	return c.dict != nil && slices.ContainsFunc(c.pages, func(p cutPage) bool { return p.encoding == parquet.Encodings.Plain })
}

// column is one column of a part.
type column interface {
	// cut ends a block of that many rows. It returns scratch.
	cut(z *zstd.Encoder, scratch []byte, rows int) []byte
	// size is the plain size of the current block.
	size() int
	// flush ends the row group.
	flush(to Target, z *zstd.Encoder, meta *metadata.ColumnChunkMetaDataBuilder, group, column int) (int64, error)
}

// appendText appends one text in its plain form.
func appendText(dst, v []byte) []byte {
	if !utf8.Valid(v) { // readers refuse a whole column of strings for one that is not UTF-8
		v = bytes.ToValidUTF8(v, []byte("\uFFFD"))
	}
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(v))), v...)
}

// span is the smallest and largest of some integers.
type span struct{ lo, hi int64 }

func emptySpan() span { return span{math.MaxInt64, math.MinInt64} }

func (s *span) add(lo, hi int64) { s.lo, s.hi = min(s.lo, lo), max(s.hi, hi) }

// bounds returns both as statistics hold them.
func (s *span) bounds() (lo, hi []byte) {
	return binary.LittleEndian.AppendUint64(nil, uint64(s.lo)), binary.LittleEndian.AppendUint64(nil, uint64(s.hi))
}

// nodeIDs is a column of node ids. Where graphs number their nodes, its pages hold the numbers packed into a few
// bits, as indices of a dictionary that is 0, 1, 2, ...; else they are plain.
type nodeIDs struct {
	chunk
	kind graph.IDKind
	span span
	// runs are those of the block, as long as all its ids are numbers below maxNumber. end is behind the largest.
	runs   []numbers
	rows   int
	end    int
	plain  bool // the block has other ids
	packed int  // behind the largest number of the pages of the row group
}

// numbers are from, from+1, ..., to-1.
type numbers struct{ from, to int }

// maxNumber bounds the dictionary of numbers: graphs with more nodes have plain pages.
const maxNumber = 1 << 16

func newNodeIDs(kind graph.IDKind) *nodeIDs {
	return &nodeIDs{kind: kind, span: emptySpan(), plain: kind == graph.String}
}

// size is that of plain values, so that blocks and row groups end at the same rows in either form.
func (c *nodeIDs) size() int { return len(c.raw) + 8*c.rows }

// number appends the ids from to to-1.
func (c *nodeIDs) number(from, to int) {
	if c.kind == graph.String {
		var digits [20]byte
		for v := from; v < to; v++ {
			c.raw = appendText(c.raw, strconv.AppendInt(digits[:0], int64(v), 10))
		}
		return
	}
	c.span.add(int64(from), int64(to-1))
	if to > maxNumber {
		c.unpack()
	}
	if c.plain {
		c.raw = appendNumbers(c.raw, from, to)
		return
	}
	c.runs = append(c.runs, numbers{from, to})
	c.rows += to - from
	c.end = max(c.end, to)
}

// unpack makes the block plain.
func (c *nodeIDs) unpack() {
	for _, r := range c.runs {
		c.raw = appendNumbers(c.raw, r.from, r.to)
	}
	c.runs, c.rows, c.end, c.plain = c.runs[:0], 0, 0, true
}

func appendNumbers(raw []byte, from, to int) []byte {
	for v := from; v < to; v++ {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return raw
}

// of appends the id of node at of a batch, which is the number of that node in its graph where the batch has no ids.
func (c *nodeIDs) of(ids *graph.IDs, at, number int) {
	switch {
	case ids == nil:
		c.number(number, number+1)
	case ids.Kind == c.kind:
		c.add(ids, at, at+1)
	default: // an integer in a run whose ids are texts
		var digits [20]byte
		c.raw = appendText(c.raw, strconv.AppendInt(digits[:0], ids.Ints[at], 10))
	}
}

// add appends ids from to to-1 of a column.
func (c *nodeIDs) add(ids *graph.IDs, from, to int) {
	if c.kind == graph.String {
		for i := from; i < to; i++ {
			c.raw = appendText(c.raw, ids.At(i))
		}
		return
	}
	c.unpack()
	raw := c.raw
	for _, v := range ids.Ints[from:to] {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		c.span.add(v, v)
	}
	c.raw = raw
}

// cut ends the block: packed, it is one byte for the width of a number, then one run of all of them.
func (c *nodeIDs) cut(z *zstd.Encoder, scratch []byte, rows int) []byte {
	c.encoding = parquet.Encodings.Plain
	if !c.plain {
		c.encoding = parquet.Encodings.RLEDict
		c.raw = packNumbers(c.raw, c.runs, rows, max(bits.Len(uint(c.end-1)), 1))
		c.packed = max(c.packed, c.end)
	}
	c.runs, c.rows, c.end, c.plain = c.runs[:0], 0, 0, c.kind == graph.String
	return c.chunk.cut(z, scratch, rows)
}

// packNumbers appends a page of so many numbers of width bits, at most 32.
func packNumbers(raw []byte, runs []numbers, count, width int) []byte {
	groups := (count + 7) / 8
	raw = binary.AppendUvarint(append(raw, byte(width)), uint64(groups)<<1|1)
	end := len(raw) + groups*width
	var word uint64
	have := 0
	for _, r := range runs {
		for v := r.from; v < r.to; v++ {
			word |= uint64(v) << have
			if have += width; have >= 32 {
				raw = binary.LittleEndian.AppendUint32(raw, uint32(word))
				word >>= 32
				have -= 32
			}
		}
	}
	for len(raw) < end { // the last numbers, and the padding of the last group
		raw = append(raw, byte(word))
		word >>= 8
	}
	return raw
}

func (c *nodeIDs) flush(to Target, z *zstd.Encoder, meta *metadata.ColumnChunkMetaDataBuilder, group, column int) (int64, error) {
	if c.packed > 0 {
		c.dict, c.entries = appendNumbers(nil, 0, c.packed), c.packed
	}
	var lo, hi []byte
	if c.kind == graph.Int64 {
		lo, hi = c.span.bounds()
	}
	c.span, c.packed = emptySpan(), 0
	return c.chunk.flush(to, z, meta, group, column, lo, hi)
}

// graphIDs is the column of graph ids. The rows of a graph follow each other, so its id goes once into the
// dictionary of the row group, and a run of its index into the page.
type graphIDs struct {
	chunk
	kind    graph.IDKind
	span    span
	last    int // where the last entry begins in dict
	runs    []run
	fresh   int // bytes that the current block added to dict
	scratch []byte
}

type run struct{ entry, rows int }

func newGraphIDs(kind graph.IDKind) *graphIDs {
	return &graphIDs{chunk: chunk{encoding: parquet.Encodings.RLEDict}, kind: kind, span: emptySpan()}
}

// add appends rows times id i.
func (c *graphIDs) add(ids *graph.IDs, i, rows int) {
	c.scratch = c.scratch[:0]
	if c.kind == graph.Int64 {
		c.scratch = binary.LittleEndian.AppendUint64(c.scratch, uint64(ids.Ints[i]))
		c.span.add(ids.Ints[i], ids.Ints[i])
	} else {
		c.scratch = appendText(c.scratch, ids.At(i))
	}
	if c.entries == 0 || !bytes.Equal(c.dict[c.last:], c.scratch) {
		c.last = len(c.dict)
		c.dict = append(c.dict, c.scratch...)
		c.entries++
		c.fresh += len(c.scratch)
	}
	if n := len(c.runs); n > 0 && c.runs[n-1].entry == c.entries-1 {
		c.runs[n-1].rows += rows
		return
	}
	c.runs = append(c.runs, run{c.entries - 1, rows})
}

func (c *graphIDs) size() int { return c.fresh + 4*len(c.runs) }

// cut ends the block: one byte for the width of an index, then for each run its length times two and the index.
func (c *graphIDs) cut(z *zstd.Encoder, scratch []byte, rows int) []byte {
	width := max(bits.Len(uint(c.entries-1)), 1)
	c.raw = append(c.raw, byte(width))
	for _, r := range c.runs {
		c.raw = binary.AppendUvarint(c.raw, uint64(r.rows)<<1)
		for shift := 0; shift < width; shift += 8 {
			c.raw = append(c.raw, byte(r.entry>>shift))
		}
	}
	c.runs, c.fresh = c.runs[:0], 0
	return c.chunk.cut(z, scratch, rows)
}

func (c *graphIDs) flush(to Target, z *zstd.Encoder, meta *metadata.ColumnChunkMetaDataBuilder, group, column int) (int64, error) {
	var lo, hi []byte
	if c.kind == graph.Int64 {
		lo, hi = c.span.bounds()
	}
	c.span = emptySpan()
	return c.chunk.flush(to, z, meta, group, column, lo, hi)
}

// scores is one column of scores, plain.
type scores struct {
	chunk
	lo, hi float32
	odd    float32 // 0 as long as every score is finite, else NaN
}

func newScores() *scores {
	return &scores{chunk: chunk{encoding: parquet.Encodings.Plain}, lo: math.MaxFloat32, hi: -math.MaxFloat32}
}

// add appends every stride-th value.
func (c *scores) add(values []float32, stride int) {
	raw, lo, hi, odd := c.raw, c.lo, c.hi, c.odd
	for i := 0; i < len(values); i += stride {
		v := values[i]
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
		odd += v - v
	}
	c.raw, c.lo, c.hi, c.odd = raw, lo, hi, odd
}

// flush sets the sign of bounds that are zero so that they cover both zeros.
func (c *scores) flush(to Target, z *zstd.Encoder, meta *metadata.ColumnChunkMetaDataBuilder, group, column int) (int64, error) {
	lo, hi := math.Float32bits(c.lo), math.Float32bits(c.hi)
	if c.lo == 0 {
		lo = math.Float32bits(float32(math.Copysign(0, -1)))
	}
	if c.hi == 0 {
		hi = math.Float32bits(0)
	}
	c.lo, c.hi = math.MaxFloat32, -math.MaxFloat32
	return c.chunk.flush(to, z, meta, group, column,
		binary.LittleEndian.AppendUint32(nil, lo), binary.LittleEndian.AppendUint32(nil, hi))
}
