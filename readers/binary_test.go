package readers

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// TestTextsOfFourByteWords: a text whose length is that of the features is no features, whatever its words are.
func TestTextsOfFourByteWords(t *testing.T) {
	t.Parallel()
	words := []string{"AAAA", "    ", "0 1 ", "0,1,", "[0, ", "true", "null"}
	for digits := range 100 {
		for _, separator := range []string{",", " ", ";", "\n", "\t"} {
			words = append(words, string([]byte{'0' + byte(digits/10), '.', '0' + byte(digits%10)})+separator)
		}
	}
	for _, word := range words {
		if !isText([]byte(strings.Repeat(word, 12))) {
			t.Errorf("%q again and again is no text", word)
		}
	}
}

// TestDecimalsThatAreLetters: decimals that people write are no text where all of their bytes are letters.
func TestDecimalsThatAreLetters(t *testing.T) {
	t.Parallel()
	letters := 0
	var all []byte
	for v := range 1000 {
		b := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)/10))
		if !isASCII(b) {
			continue
		}
		letters++
		all = append(all, b...)
		if isText([]byte(strings.Repeat(string(b), 12))) {
			t.Errorf("%g again and again is text", float32(v)/10)
		}
	}
	if letters < 8 || isText(all) {
		t.Errorf("%d decimals together are text", letters)
	}
}
