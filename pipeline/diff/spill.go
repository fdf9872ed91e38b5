package diff

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"os"
	"path/filepath"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

const (
	// pieces is the number of files that leftovers of a side are cut into, pieceBits their part of the hash.
	pieceBits = 6
	pieces    = 1 << pieceBits
	// levels is how often a piece can be cut again: after that, its graphs have one id.
	levels = 64 / pieceBits
	// spillBuffer is the buffer of one file: 4 MiB for those of both sides.
	spillBuffer = 32 << 10
)

// spill holds leftovers in temporary files. One goroutine uses it.
type spill struct {
	temp   string // where its folder goes
	level  int
	dir    string // "" until there is something to hold
	files  [2][pieces]*piece
	graphs int64
}

// piece is a file of leftovers.
type piece struct {
	path string
	f    *os.File
	w    *bufio.Writer
	size int64
}

func newSpill(temp string, level int) *spill { return &spill{temp: temp, level: level} }

func tempError(op, path string, err error) error {
	return &atomic.IOError{Op: op + " the temporary file", Path: path, Err: err}
}

// add appends a graph of a side.
func (s *spill) add(side int, r *rows) error {
	if s.dir == "" {
		dir, err := os.MkdirTemp(s.temp, "graphscore-diff-")
		if err != nil {
			return tempError("creating", s.temp, err)
		}
		s.dir = dir
	}
	n := s.pieceOf(r.id)
	p := s.files[side][n]
	if p == nil {
		p = &piece{path: filepath.Join(s.dir, fmt.Sprintf("%d-%02d", side, n))}
		f, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return tempError("creating", p.path, err)
		}
		p.f, p.w = f, bufio.NewWriterSize(f, spillBuffer)
		s.files[side][n] = p
	}
	s.graphs++
	return p.write(r)
}

// pieceOf is the piece that a graph id belongs to, by bits of its hash that earlier levels have not looked at.
func (s *spill) pieceOf(id []byte) int {
	h := fnv.New64a()
	_, _ = h.Write(id) // never fails
	x := h.Sum64()
	x ^= x >> 33 // FNV alone spreads short ids badly over the upper bits
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return int(x >> (pieceBits * s.level) % pieces)
}

// write appends the place, the id, the rows and the scores of a graph.
func (p *piece) write(r *rows) error {
	b := binary.AppendUvarint(nil, uint64(r.place))
	b = binary.AppendUvarint(b, uint64(len(r.id)))
	b = append(b, r.id...)
	b = binary.AppendUvarint(b, uint64(r.count))
	b = append(b, byte(len(r.ids)))
	for k := range r.ids {
		b = appendIDs(b, &r.ids[k])
	}
	for _, column := range r.scores {
		for _, v := range column {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	p.size += int64(len(b))
	if _, err := p.w.Write(b); err != nil {
		return tempError("writing", p.path, err)
	}
	return nil
}

// appendIDs appends the kind of a column and all its ids.
func appendIDs(b []byte, ids *graph.IDs) []byte {
	b = append(b, byte(ids.Kind))
	for i := range ids.Len() {
		if ids.Kind == graph.Int64 {
			b = binary.AppendVarint(b, ids.Ints[i])
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(ids.At(i))))
		b = append(b, ids.At(i)...)
	}
	return b
}

// each reads the graphs of a piece in their order. A piece that is nil has none.
func (p *piece) each(ctx context.Context, outputs int, see func(*rows) error) error {
	if p == nil {
		return nil
	}
	if err := p.w.Flush(); err != nil {
		return tempError("writing", p.path, err)
	}
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return tempError("reading", p.path, err)
	}
	r := bufio.NewReaderSize(p.f, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		g, err := readRows(r, outputs)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return tempError("reading", p.path, err)
		}
		if err := see(g); err != nil {
			return err
		}
	}
}

func readRows(r *bufio.Reader, outputs int) (*rows, error) {
	place, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	g := &rows{place: int(place), scores: make([][]float32, outputs)}
	if g.id, err = readBytes(r, nil); err != nil {
		return nil, err
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	columns, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	g.count, g.ids = int(n), make([]graph.IDs, columns)
	for k := range g.ids {
		if err := readIDs(r, &g.ids[k], g.count); err != nil {
			return nil, err
		}
	}
	raw := make([]byte, 4*n)
	for k := range g.scores {
		if _, err := io.ReadFull(r, raw); err != nil {
			return nil, err
		}
		g.scores[k] = make([]float32, n)
		for i := range g.scores[k] {
			g.scores[k][i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	return g, nil
}

// readIDs reads what appendIDs wrote.
func readIDs(r *bufio.Reader, ids *graph.IDs, n int) error {
	kind, err := r.ReadByte()
	if err != nil {
		return err
	}
	ids.Kind = graph.IDKind(kind)
	var scratch []byte
	for range n {
		if ids.Kind == graph.Int64 {
			v, err := binary.ReadVarint(r)
			if err != nil {
				return err
			}
			ids.Ints = append(ids.Ints, v)
			continue
		}
		if scratch, err = readBytes(r, scratch); err != nil {
			return err
		}
		ids.AppendBytes(scratch)
	}
	return nil
}

func readBytes(r *bufio.Reader, into []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if uint64(cap(into)) < n {
		into = make([]byte, n)
	}
	_, err = io.ReadFull(r, into[:n])
	return into[:n], err
}

// join compares the leftovers of both sides piece by piece.
func (s *spill) join(ctx context.Context, c *comparison) error {
	for n := range pieces {
		if err := s.joinPiece(ctx, c, s.files[0][n], s.files[1][n]); err != nil {
			return err
		}
		for side := range s.files {
			if err := s.files[side][n].remove(); err != nil {
				return err
			}
			s.files[side][n] = nil
		}
	}
	return nil
}

func (s *spill) joinPiece(ctx context.Context, c *comparison, old, new *piece) error {
	outputs := len(c.outputs)
	for side, p := range []*piece{old, new} {
		if other := [2]*piece{new, old}[side]; other == nil { // nothing to join with
			return p.each(ctx, outputs, func(r *rows) error { c.alone(side, r); return nil })
		}
	}
	if old.size > c.cfg.pieceBytes && s.level+1 < levels {
		return s.cut(ctx, c, old, new)
	}
	have := map[string][]*rows{}
	err := old.each(ctx, outputs, func(r *rows) error {
		have[string(r.id)] = append(have[string(r.id)], r)
		return nil
	})
	if err != nil {
		return err
	}
	return meet(ctx, c, have, old, new)
}

// meet looks for the graphs of NEW among those of OLD: first for those of the same place, then for the others.
func meet(ctx context.Context, c *comparison, have map[string][]*rows, old, new *piece) error {
	outputs := len(c.outputs)
	met := map[int]bool{}
	for _, samePlace := range []bool{true, false} {
		number := -1
		err := new.each(ctx, outputs, func(b *rows) error {
			if number++; met[number] {
				return nil
			}
			list := have[string(b.id)]
			for i, a := range list {
				if samePlace && a.place != b.place {
					continue
				}
				c.graph(a, b)
				met[number] = true
				if have[string(b.id)] = list[1:]; i > 0 {
					have[string(b.id)] = append(list[:i:i], list[i+1:]...)
				}
				return nil
			}
			if !samePlace {
				c.alone(1, b)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return old.each(ctx, outputs, func(a *rows) error { // in the order of the output, not of the map
		list := have[string(a.id)]
		if len(list) > 0 && list[0].place == a.place && same(list[0], a) {
			have[string(a.id)] = list[1:]
			c.alone(0, a)
		}
		return nil
	})
}

// cut joins a piece that is too large for memory in smaller ones.
func (s *spill) cut(ctx context.Context, c *comparison, old, new *piece) (err error) {
	next := newSpill(s.dir, s.level+1)
	defer func() { err = errors.Join(err, next.remove()) }()
	for side, p := range []*piece{old, new} {
		if err := p.each(ctx, len(c.outputs), func(r *rows) error { return next.add(side, r) }); err != nil {
			return err
		}
	}
	return next.join(ctx, c)
}

// remove closes and removes the file.
func (p *piece) remove() error {
	if p == nil {
		return nil
	}
	if err := errors.Join(p.f.Close(), os.Remove(p.path)); err != nil {
		return tempError("removing", p.path, err)
	}
	return nil
}

// remove removes what is left of the temporary files.
func (s *spill) remove() error {
	var err error
	for side := range s.files {
		for n, p := range s.files[side] {
			err = errors.Join(err, p.remove())
			s.files[side][n] = nil
		}
	}
	if s.dir != "" {
		if e := os.RemoveAll(s.dir); e != nil {
			err = errors.Join(err, tempError("removing", s.dir, e))
		}
	}
	return err
}
