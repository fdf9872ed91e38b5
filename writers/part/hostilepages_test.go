package part

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/page"
	"graphscore/pipeline/thrift"
)

// A packed number takes an eighth of a byte in a page and eight in memory, so a page of more than a block is refused
// before there is room for it.
func TestPackedPageIsBounded(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, blockRows, blockRows + 1, 64 * blockRows} {
		groups := (n + 7) / 8
		data := binary.AppendUvarint([]byte{1}, uint64(groups)<<1|1)
		data = append(data, make([]byte, groups)...)
		c := nodePages{kind: graph.Int64, packed: true, dict: graph.IDs{Kind: graph.Int64, Ints: []int64{0}}}
		err := c.unpack(data, n)
		if refused := err != nil && strings.Contains(err.Error(), "not at most"); refused != (n > blockRows) {
			t.Errorf("%d numbers: %v", n, err)
		}
		if cap(c.ids.Ints) > 2*blockRows {
			t.Errorf("%d numbers: room for %d", n, cap(c.ids.Ints))
		}
	}
}

// allocated is how many bytes work allocates, and what runs beside it.
func allocated(work func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	work()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// A list of a footer says how many elements it has. Nothing is allocated for more than it has bytes: the library takes eight
// bytes for each at once.
func TestFooterClaimsMuch(t *testing.T) { // alone, as it measures what is allocated
	good := footerIn(makePart(t, graph.NodeLevel, 40, Sizes{}))
	for _, list := range []byte{fieldGroups, fieldPairs} {
		var c scanned
		if !c.scan(good) {
			t.Fatal("the footer of a part is none")
		}
		bad := append(bytes.Clone(c.before), (fieldRows-2)<<4|thrift.I64, 0)
		bad = append(bad, (list-fieldRows)<<4|thrift.List, 0xf0|thrift.Struct)
		bad = append(binary.AppendUvarint(bad, 100_000_000), c.after...)
		took := allocated(func() {
			if _, err := parseMeta(bad); !errors.Is(err, thrift.ErrShort) {
				t.Errorf("field %d: %v", list, err)
			}
		})
		if took > 1<<20 {
			t.Errorf("field %d: %d bytes allocated", list, took)
		}
	}
}

// The frame of a page says how large its content is, up to 64 GiB in a byte of change. Nothing is allocated for that: a
// process that reads the part would end.
func TestFrameClaimsMuch(t *testing.T) { // alone, as it measures what is allocated
	path := filepath.Join(t.TempDir(), "a.parquet")
	good := makePart(t, graph.NodeLevel, 40, Sizes{})
	frames := 0
	for at := 4; at < len(good)-5; at++ {
		if binary.LittleEndian.Uint32(good[at:]) != 0xFD2FB528 {
			continue
		}
		frames++
		bad := bytes.Clone(good)
		bad[at+4] |= 0xc0 // the size of the content has eight bytes, which are those of the first block
		must(t, os.WriteFile(path, bad, 0o666))
		var err error
		took := allocated(func() { err = readBlocks(path) })
		var damaged *DamagedError
		if !errors.As(err, &damaged) || !strings.Contains(damaged.Reason, "row group 0: column ") {
			t.Errorf("frame at %d: %v", at, err)
		}
		if took > 8<<20 {
			t.Errorf("frame at %d: %d bytes allocated", at, took)
		}
	}
	if frames < 3 {
		t.Errorf("%d frames in a part", frames)
	}
}

// A page header that claims more than the stored bytes can become is refused before there is room for it, and one that
// claims what they become is read, however much that is.
func TestPageClaims(t *testing.T) {
	t.Parallel()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	must(t, err)
	defer w.Close()
	const size = 40 << 20
	equal := w.EncodeAll(make([]byte, size), nil)
	for name, c := range map[string]struct {
		stored []byte
		claim  int64
		want   string
	}{
		"what they become":     {equal, size, ""},
		"one more":             {equal, size + 1, "can become"},
		"one less":             {equal, size - 1, "cannot be decompressed"},
		"the most of a header": {equal, math.MaxInt32, "can become"},
		"no frame":             {[]byte("0123456789"), math.MaxInt32, "cannot be decompressed"},
		"half a frame":         {equal[:len(equal)/2], size, "cannot be decompressed"},
	} {
		var z inflater
		h := &page.Header{Size: c.claim, Stored: int64(len(c.stored))}
		body, err := z.inflate(h, bytes.NewReader(c.stored))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && int64(len(body)) != c.claim || cap(z.body) > size+1 {
			t.Errorf("%s: %d bytes, room for %d", name, len(body), cap(z.body))
		}
		z.close()
	}
}
