package part

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/graph"
)

// told is a buffer that returns where it ends.
type told struct{ bytes.Buffer }

func (t *told) Tell() int64 { return int64(t.Len()) }

// A dictionary page has the bytes that arrow's writer makes, whatever the encoder of the part has had before.
func TestDictionaryPageIsArrows(t *testing.T) {
	t.Parallel()
	e, err := NewEncoder(&told{}, Contents{GraphIDs: graph.String, Outputs: []string{"score"}, Settings: Settings{}}, Sizes{})
	if err != nil {
		t.Fatal(err)
	}
	for _, entries := range []int{1, 100, 113, 114, 1000, 14_000, 15_000, 30_000, 100_000, 116_000, 117_000, 400_000} {
		var plain []byte
		for i := range entries {
			plain = appendText(plain, fmt.Appendf(nil, "m%d", i*7919))
		}
		e.zstd.EncodeAll(plain[:len(plain)/2], nil)
		var want, got told
		node := schema.NewByteArrayNode("graph_id", parquet.Repetitions.Required, -1)
		props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd))
		w, err := file.NewPageWriter(&want, compress.Codecs.Zstd, zstdLevel,
			metadata.NewColumnChunkMetaDataBuilder(props, schema.NewColumn(node, 0, 0)), 0, 0, memory.DefaultAllocator, false, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		page := file.NewDictionaryPage(memory.NewBufferBytes(plain), int32(entries), parquet.Encodings.Plain)
		size, err := w.WriteDictionaryPage(page)
		if err != nil {
			t.Fatal(err)
		}
		header, err := writeDictionary(&got, e.zstd, plain, entries)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Errorf("%d entries of %d bytes: %d bytes, and arrow makes %d others", entries, len(plain), got.Len(), want.Len())
		}
		if data := want.Len() - header; int64(data+header) != size || header < 10 || header > 30 {
			t.Errorf("%d entries: the header has %d bytes of %d", entries, header, size)
		}
	}
}
