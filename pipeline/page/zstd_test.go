package page

import (
	"bytes"
	"strings"
	"testing"
)

// TestZstdFills: what comes out is what went in, in the room that was made for it, and every other size is refused without
// more room.
func TestZstdFills(t *testing.T) {
	t.Parallel()
	var z Zstd
	defer z.Close()
	for range 2 { // also after Close
		stored := append(repeated(2), frames(t, 3000)...)
		size := 2*zstdBlock + 3000
		room := make([]byte, size+100)
		if err := z.Fill(room[:size], stored); err != nil {
			t.Fatal(err)
		}
		want := append(bytes.Repeat([]byte{'x'}, 2*zstdBlock), make([]byte, 3100)...)
		if !bytes.Equal(room, want) {
			t.Error("other bytes came out")
		}
		for n, message := range map[int]string{0: "cannot be decompressed", size - 1: "cannot be decompressed", size + 1: "has 265144 bytes, its header says 265145"} {
			if err := z.Fill(room[:n], stored); err == nil || !strings.HasPrefix(err.Error(), message) {
				t.Errorf("into %d bytes: %v", n, err)
			}
		}
		if err := z.Fill(room[:size], stored[1:]); err == nil {
			t.Error("what is no frame was decompressed")
		}
		z.Close()
	}
}
