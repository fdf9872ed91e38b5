package parquet

import (
	"bytes"
	"crypto/sha256"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/readers/internal/column"
)

// footer is what a file says of itself. It does not change, and files that are read side by side share it.
type footer struct {
	*head
	rowGroups
	rows int64

	size, length int64             // of the file, and of the footer
	raw          []byte            // the footer, where it is kept and not large
	sum          [sha256.Size]byte // of one that is large
	seed         maphash.Seed      // of the sums of its row groups
	file         fs.FileInfo       // as it was when the footer was read, nil where nobody knows

	mu     sync.Mutex
	bounds map[column.Binding][]column.Group // that were compared with the file
}

// head is what a footer says beside its rows and row groups. It does not change, and files that one writer has written
// share it.
type head struct {
	before, after []byte // the bytes around those of rows and row groups, nil where these are not side by side
	schema        *schema.Schema
	oldWriter     bool   // which left the header of the dictionary page out of the length of a chunk
	arrow         []byte // the schema in Arrow, nil where there is none
	cols          []column.Field

	hint   sync.Once
	hinted []column.Field
}

const (
	// manyGroups is how many row groups a footer has that is worth keeping: it is parsed whole for each shard of its file.
	manyGroups = 16
	// largeFooter is how many bytes a footer has that is not read again for each shard of a file that did not change: of a
	// file of very many row groups that would cost the square of their number.
	largeFooter = 1 << 20
	// headsKept is how many writers may take turns in the files of an input.
	headsKept = 8
	// largestHead is how many bytes around rows and row groups a footer has whose head is kept. Parsed, they take many times
	// as much.
	largestHead = 256 << 10
)

// Footers keeps the footer that was parsed last, for the further shards of its file, and what footers of other files have in
// common. What is kept is compared with the bytes of the file. It is safe for concurrent use; a nil one keeps nothing.
type Footers struct {
	mu    sync.Mutex
	last  *footer
	heads []*head
}

// find returns the footer at the end of a file of that size if it is the one that was parsed last, else nil and its bytes. now
// is the file as it was before they are read. Of a large one in a file that has not changed since the bytes are not read: whole
// is false, and [File.Open] compares those of each row group.
func (k *Footers) find(r io.ReaderAt, size, length int64, now fs.FileInfo) (known *footer, whole bool, raw []byte, err error) {
	last := k.latest(size, length)
	if last != nil && length > largeFooter && unchanged(last.file, now) {
		return last, false, nil, nil
	}
	raw = make([]byte, length)
	if _, err := r.ReadAt(raw, size-8-length); err != nil {
		return nil, true, nil, err
	}
	if last != nil && last.is(raw) {
		return last, true, nil, nil
	}
	return nil, true, raw, nil
}

// is reports whether a footer that is kept has just these bytes.
func (f *footer) is(raw []byte) bool {
	if f.length > largeFooter {
		return f.sum == sha256.Sum256(raw)
	}
	return bytes.Equal(f.raw, raw)
}

// latest returns the footer that was kept last where it has these sizes, else nil.
func (k *Footers) latest(size, length int64) *footer {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil || k.last.size != size || k.last.length != length {
		return nil
	}
	return k.last
}

// stat describes the open file of a large footer, nil for others and for a reader of something else.
func stat(r io.ReaderAt, length int64) fs.FileInfo {
	if length <= largeFooter {
		return nil
	}
	f, is := r.(interface{ Stat() (fs.FileInfo, error) })
	if !is {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// unchanged reports whether a file is the one that it was, and nobody has written into it since.
func unchanged(was, is fs.FileInfo) bool {
	return was != nil && is != nil && os.SameFile(was, is) && was.Size() == is.Size() && was.ModTime().Equal(is.ModTime())
}

// keep keeps a footer in the place of the last one. raw are its bytes, and was is the file before they were read.
func (k *Footers) keep(f *footer, raw []byte, was fs.FileInfo) {
	if k == nil || len(f.groups) < manyGroups {
		return
	}
	if f.file = was; len(raw) > largeFooter {
		f.sum, f.seed = sha256.Sum256(raw), maphash.MakeSeed()
		for i := range f.groups {
			g := &f.groups[i]
			g.sum = maphash.Bytes(f.seed, raw[g.from:g.end])
		}
	} else {
		f.raw = raw
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = f
}

// head returns what is known of a footer with these bytes around its rows and row groups, nil where nothing is.
func (k *Footers) head(before, after []byte) *head {
	if k == nil || before == nil {
		return nil
	}
	k.mu.Lock()
	heads := k.heads
	k.mu.Unlock()
	for i, h := range heads {
		if bytes.Equal(h.before, before) && bytes.Equal(h.after, after) {
			if i > 0 {
				k.front(h)
			}
			return h
		}
	}
	return nil
}

// keepHead keeps a head for other files, unless it is large.
func (k *Footers) keepHead(h *head, before, after []byte) {
	if k == nil || before == nil || len(before)+len(after) > largestHead {
		return
	}
	h.before, h.after = bytes.Clone(before), bytes.Clone(after)
	k.front(h)
}

// front keeps a head as the first: those that were met last are kept.
func (k *Footers) front(h *head) {
	k.mu.Lock()
	defer k.mu.Unlock()
	heads := append(make([]*head, 0, headsKept), h) // others may be reading the old list
	for _, other := range k.heads {
		if other != h && len(heads) < headsKept {
			heads = append(heads, other)
		}
	}
	k.heads = heads
}

// known returns the groups for a binding where they were compared before. The caller must not change them.
func (f *footer) known(b column.Binding) []column.Group {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bounds[b]
}

// learn keeps the groups for a binding.
func (f *footer) learn(b column.Binding, groups []column.Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.bounds == nil {
		f.bounds = map[column.Binding][]column.Group{}
	}
	f.bounds[b] = slices.Clip(groups)
}
