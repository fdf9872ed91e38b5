package part

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/metadata"

	"graphscore/pipeline/graph"
)

// footerIn returns the bytes of the footer of a part.
func footerIn(content []byte) []byte {
	length := int(binary.LittleEndian.Uint32(content[len(content)-8:]))
	return content[len(content)-8-length : len(content)-8]
}

// byLibrary reads a footer as the library does.
func byLibrary(raw []byte) (meta *metadata.FileMetaData) {
	defer func() { _ = recover() }() // then nobody can
	meta, err := metadata.NewFileMetaData(raw, nil)
	if err != nil {
		return nil
	}
	return meta
}

// sameAsLibrary fails where a footer is read otherwise than the library reads it.
func sameAsLibrary(t testing.TB, known *shapes, raw []byte) (scanned bool) {
	t.Helper()
	var got room
	if !got.scan(raw) || !bytes.Equal(got.before, known.last.Load().before) || !bytes.Equal(got.after, known.last.Load().after) {
		return false
	}
	meta := byLibrary(raw)
	if meta == nil {
		t.Fatalf("the library refuses %x", raw)
	}
	pairs := meta.KeyValueMetadata()
	if got.rows != meta.GetNumRows() || len(got.pairs) != len(pairs) {
		t.Fatalf("%d rows and %d keys, not %d and %d, of %x", got.rows, len(got.pairs), meta.GetNumRows(), len(pairs), raw)
	}
	for i, kv := range pairs {
		if string(got.pairs[i].key) != kv.GetKey() || string(got.pairs[i].value) != kv.GetValue() {
			t.Fatalf("%s is %s, not %s", got.pairs[i].key, got.pairs[i].value, kv.GetValue())
		}
	}
	return true
}

// TestScanIsTheLibrary: what is read of a footer without the library is what the library reads, and the library accepts it,
// whatever bytes of it changed.
func TestScanIsTheLibrary(t *testing.T) {
	t.Parallel()
	for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.GraphLevel} {
		good := footerIn(makePart(t, level, 40, Sizes{}))
		known := &shapes{}
		var first room
		if !known.read(good, &first.scanned) || known.last.Load() == nil {
			t.Fatalf("%s: the footer of a part is none", level)
		}
		if !sameAsLibrary(t, known, good) {
			t.Errorf("%s: the footer of a part is left to the library", level)
		}
		r := rand.New(rand.NewPCG(1, uint64(level)))
		scanned := 0
		for i := range good {
			for _, to := range []byte{byte(r.Uint32()), good[i] ^ 1<<r.IntN(8)} {
				raw := bytes.Clone(good)
				raw[i] = to
				if sameAsLibrary(t, known, raw) {
					scanned++
				}
			}
			cut := append(bytes.Clone(good[:i]), good[min(len(good), i+1+r.IntN(4)):]...)
			sameAsLibrary(t, known, cut)
		}
		if scanned == 0 {
			t.Errorf("%s: no footer that changed was read", level)
		}
	}
}

// TestOtherShapesAreParsed: a footer whose schema differs from that of the parts before goes to the library.
func TestOtherShapesAreParsed(t *testing.T) {
	t.Parallel()
	known := &shapes{}
	for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.NodeLevel} {
		raw := footerIn(makePart(t, level, 40, Sizes{}))
		var got, again room
		before := known.last.Load()
		if !known.read(raw, &got.scanned) || known.last.Load() == before {
			t.Errorf("%s: the library has not parsed the footer", level)
		}
		before = known.last.Load()
		if !known.read(raw, &again.scanned) || known.last.Load() != before {
			t.Errorf("%s: the library has parsed the footer again", level)
		}
	}
	broken := footerIn(makePart(t, graph.NodeLevel, 40, Sizes{}))
	broken[bytes.Index(broken, []byte("graph_id"))-3] ^= 0x0f // in the schema
	var got room
	if before := known.last.Load(); got.scan(broken) && bytes.Equal(got.before, before.before) {
		t.Error("a schema that changed is that of the parts before")
	}
}

// TestLargeRoomIsDropped: memory of a large footer is not kept for others.
func TestLargeRoomIsDropped(t *testing.T) {
	t.Parallel()
	for size, kept := range map[int]bool{0: true, endRead: true, largestKept: true, largestKept + 1: false} {
		s := &shapes{}
		if got := s.put(&room{raw: make([]byte, size)}); got != kept {
			t.Errorf("room of %d bytes: kept %t", size, got)
		}
		if b, is := s.buffers.Get().(*room); is && cap(b.raw) > largestKept {
			t.Errorf("room of %d bytes is used again", cap(b.raw))
		}
	}
}
