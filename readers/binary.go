package readers

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// readBinary reads features that are the bytes of float32.
func (r *rowReader) readBinary(c *column.Column, i int) (graph.Code, string) {
	if code, message := null(c, i); code != "" {
		return code, message
	}
	nodes, code, message := r.countNodes(i)
	if code != "" {
		return code, message
	}
	b := r.bytes(c, i)
	if r.err != nil {
		return "", ""
	}
	if len(b) == 0 && nodes == 0 {
		return "", ""
	}
	size := int64(len(b))
	if nodes == 0 {
		return graph.NodeCount, fmt.Sprintf("%s has %d bytes for no node", c.Field.Name, size)
	}
	if size%(4*nodes) != 0 {
		return graph.FeatureWidth, fmt.Sprintf("%s has %d bytes, which are no float32 of %d nodes%s", c.Field.Name, size, nodes,
			suspect(size, nodes*int64(r.want.Width)))
	}
	width := size / (4 * nodes)
	if hint := suspect(size, nodes*int64(r.want.Width)); hint != "" {
		return graph.FeatureWidth, fmt.Sprintf("%s has %d float32 a node, the model wants %d%s", c.Field.Name, width, r.want.Width, hint)
	}
	r.row.Nodes, r.row.Width, r.row.Features = int(nodes), int(width), decoded(b, &r.plain)
	note(&r.met.node, int(width))
	return "", ""
}

// countNodes returns the number of nodes that num_nodes or else node_ids says.
func (r *rowReader) countNodes(i int) (int64, graph.Code, string) {
	if r.by[graph.InputNumNodes] != nil {
		return r.row.NumNodes, "", ""
	}
	c := r.by[graph.InputNodeIDs]
	if c == nil { // which was refused when the column was bound
		return 0, "", ""
	}
	code, message := null(c, i)
	from, to := c.Span(i)
	return int64(to - from), code, message
}

// bytes returns what a column holds as float32. The file is refused where that is in another format.
func (r *rowReader) bytes(c *column.Column, i int) []byte {
	b := c.Texts.At(i)
	if what := serialized(b); what != "" {
		r.err = column.Unsupported("write the numbers alone (numpy: a.astype('<f4').tobytes()), or list<list<float>>",
			"column %s has %s in row %d, not float32 alone", c.Field.Name, what, r.row.Row)
	}
	return b
}

// decoded decodes the bytes of float32 into memory that is used again.
func decoded(b []byte, scratch *[]float32) []float32 {
	values := room(scratch, len(b)/4)
	column.DecodeFloats(values, b)
	return values
}

// suspect names the type that bytes of another size than that of so many float32 may have.
func suspect(size, values int64) string {
	if values == 0 {
		return ""
	}
	switch size {
	case 8 * values:
		return ": are they float64?"
	case 2 * values:
		return ": are they float16?"
	case values:
		return ": are they integers of 8 bits?"
	}
	return ""
}

// head is how a format begins. It has four bytes or more, or a check of what follows: no float32 that a feature is
// likely to be begins a graph like this.
type head struct {
	magic, name string
	more        func(b []byte) bool // nil: the magic is enough
}

// heads returns the formats in which arrays are stored by mistake.
func heads() [20]head {
	return [...]head{
		{"\x93NUMPY", "a .npy file", nil},
		{"PK\x03\x04", "a zip archive (.npz, torch.save)", nil},
		{"PK\x05\x06", "an empty zip archive", nil},
		{"ARROW1", "an Arrow file", nil},
		{"FEA1", "a Feather file", nil},
		{"\xff\xff\xff\xff", "an Arrow IPC message", isMessage},
		{"PAR1", "a Parquet file", nil},
		{"\x28\xb5\x2f\xfd", "zstd data", nil},
		{"\x04\x22\x4d\x18", "LZ4 data", nil},
		{"\x1f\x8b\x08", "gzip data", func(b []byte) bool { return len(b) >= 18 && b[3] < 0x20 }},
		{"BZh", "bzip2 data", func(b []byte) bool { return len(b) > 10 && string(b[4:10]) == "1AY&SY" }},
		{"\xfd7zXZ\x00", "xz data", nil},
		{"\xff\x06\x00\x00sNaPpY", "snappy data", nil},
		{"\x89HDF\r\n\x1a\n", "an HDF5 file", nil},
		{"\x89PNG", "a PNG image", nil},
		{"\xac\xed\x00\x05", "a serialized Java object", nil},
		{"MATLAB 5.0", "a MATLAB file", nil},
		{"\x80", "a pickle", isPickle},
		{"\x78", "zlib data", isZlib},
		{"", "text", isText},
	}
}

// serialized names the format that bytes are in if they are more than numbers, else it is empty.
func serialized(b []byte) string {
	if len(b) < 4 {
		return ""
	}
	known := heads()
	for i := range known {
		h := &known[i]
		if len(b) >= len(h.magic) && string(b[:len(h.magic)]) == h.magic && (h.more == nil || h.more(b)) {
			return h.name
		}
	}
	if len(b) > 16 && string(b[4:8]) == "\x00\x00\x00\x00" && string(b[8:10]) == `{"` {
		return "a safetensors file"
	}
	return ""
}

// isMessage says whether an Arrow IPC message may follow: NaN, or a length that fits.
func isMessage(b []byte) bool {
	if len(b) < 12 {
		return false
	}
	size := int64(b[4]) | int64(b[5])<<8 | int64(b[6])<<16 | int64(b[7])<<24
	return size > 0 && size%8 == 0 && size <= int64(len(b)-8)
}

// isPickle says whether bytes are a pickle of protocol 2 to 5, or begin like what torch.save wrote before it wrote zip
// archives. A pickle ends in a stop.
func isPickle(b []byte) bool {
	return b[1] >= 2 && b[1] <= 5 && (b[len(b)-1] == '.' || string(b[2:4]) == "\x8a\n")
}

// isZlib says whether all bytes are one zlib stream, with its checksum.
func isZlib(b []byte) bool {
	if b[0]&0xf != 8 || (int(b[0])<<8|int(b[1]))%31 != 0 {
		return false
	}
	const most = 64 << 20
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return false
	}
	n, err := io.Copy(io.Discard, io.LimitReader(z, most))
	return err == nil || n == most
}

// isText says whether bytes are ASCII all over, as JSON, CSV or base64 is, and not float32 that happen to be, as 0.7 is "333?".
func isText(b []byte) bool {
	const least = 32
	if len(b) < least {
		return len(b) >= 8 && (b[0] == '[' || b[0] == '{') && (b[len(b)-1] == ']' || b[len(b)-1] == '}') && isASCII(b)
	}
	return isASCII(b) && !areShort(b)
}

// areShort says whether all float32 in bytes are decimals of at most three digits, as people write them. Those that letters
// make have more, but for one of thirty thousand.
func areShort(b []byte) bool {
	if len(b)%4 != 0 {
		return false
	}
	var last []byte
	for ; len(b) > 0; b = b[4:] {
		if bytes.Equal(b[:4], last) {
			continue
		}
		last = b[:4]
		v := math.Float32frombits(binary.LittleEndian.Uint32(b))
		if strings.IndexByte(strconv.FormatFloat(float64(v), 'e', -1, 32), 'e') > len("1.23") {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 || c > 0x7e) && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}
