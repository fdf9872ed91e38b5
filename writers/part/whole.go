package part

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

// hashPrefix comes before the digits of a hash in a footer.
const hashPrefix = "sha256:"

// isHash reports whether a text has the form of a hash in a footer.
func isHash(text string) bool {
	digits, is := strings.CutPrefix(text, hashPrefix)
	sum, err := hex.DecodeString(digits)
	return is && err == nil && len(sum) == sha256.Size
}

// QuarantineSum adds up a quarantine file that is written to it: its lines, and the hash of its bytes. One goroutine
// uses it.
type QuarantineSum struct {
	hash  hash.Hash
	lines int64
	last  byte
}

// NewQuarantineSum begins with an empty file.
func NewQuarantineSum() *QuarantineSum { return &QuarantineSum{hash: sha256.New()} }

// Write never fails.
func (s *QuarantineSum) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.lines += int64(bytes.Count(p, []byte{'\n'}))
	s.last = p[len(p)-1]
	return s.hash.Write(p)
}

// Hash is "sha256:" and the hash of all bytes so far.
func (s *QuarantineSum) Hash() string { return hashPrefix + hex.EncodeToString(s.hash.Sum(nil)) }

// QuarantineFault says in what way the quarantine file of a part in an output is not the one that the part was
// committed with, "" where it is: it is missing, there is one though no graph is quarantined, it has other lines, or, as
// far as the footer keeps its hash, another content. Such a part is not whole. looks are those at the output, dir is its
// path for messages, name that of the part. The file is read once, a block at a time. The error is an *atomic.IOError:
// then nobody can say. A part that may hold wrong scores for what an earlier version made of its input is at fault too.
func QuarantineFault(looks atomic.Looks, dir, name string, f *Footer) (fault string, err error) {
	if fault := f.misreadPairs(); fault != "" {
		return fault, nil
	}
	name = QuarantineName(name)
	path := atomic.PathBelow(dir, name)
	info, err := looks.Stat(name)
	switch {
	case atomic.Absent(err) && f.Quarantined == 0:
		return "", nil
	case atomic.Absent(err):
		return fmt.Sprintf("its quarantine file %q, of %s, is missing", name, display.Plural(f.Quarantined, "graph")), nil
	case err != nil:
		return "", atomic.LookingFor(path, err)
	case !info.Mode().IsRegular(): // opening a pipe blocks
		return fmt.Sprintf("its quarantine file %q is not a file", name), nil
	case f.Quarantined == 0:
		return fmt.Sprintf("it has no graph in quarantine, and there is %q", name), nil
	}
	file, err := looks.Open(name)
	if err != nil {
		return "", &atomic.IOError{Op: "reading", Path: path, Err: err}
	}
	defer file.Close()
	sum := NewQuarantineSum()
	if _, err := io.CopyBuffer(sum, struct{ io.Reader }{file}, make([]byte, 64<<10)); err != nil {
		return "", &atomic.IOError{Op: "reading", Path: path, Err: err}
	}
	switch {
	case sum.lines != f.Quarantined:
		return fmt.Sprintf("its quarantine file %q has %s, not %d", name, display.Plural(sum.lines, "line"), f.Quarantined), nil
	case sum.last != '\n':
		return fmt.Sprintf("its quarantine file %q does not end with its last line", name), nil
	case f.QuarantineHash != "" && sum.Hash() != f.QuarantineHash:
		return fmt.Sprintf("its quarantine file %q has another content than it was committed with (%s, was %s)", name, sum.Hash(), f.QuarantineHash), nil
	}
	return "", nil
}

// misreadPairs says why a part of the form part/2 cannot be relied on, "" where it can. The versions that wrote no
// other form read a file of edges as pairs like one of sources and targets: its graphs of two edges were scored, wrongly,
// and all others are malformed_edges. That code alone is what is left to see of it.
func (f *Footer) misreadPairs() string {
	n := f.Codes[string(graph.MalformedEdges)]
	if f.QuarantineHash != "" || n == 0 {
		return ""
	}
	return fmt.Sprintf("it was made by a version that read edges written as pairs as sources and targets, and has %s with %s",
		display.Plural(n, "graph"), graph.MalformedEdges)
}
