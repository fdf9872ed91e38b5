package readers

import (
	"context"
	"io"
	"os"
	"sync"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// maxRows is the most rows that are decoded at once, however small they are.
const maxRows = 8192

// Source reads the graphs of one shard in order. One goroutine uses it.
type Source struct {
	shard   *Shard
	cfg     Config
	file    *os.File
	in      contents
	columns []*column.Column                      // those in use
	by      [graph.NumInputColumns]*column.Column // the same by role
	rows    rowReader                             // what makes graphs of them
	group   int                                   // the group that is read
	inGroup int64                                 // rows left of the current one
	left    int64                                 // rows left of the shard
	row     int64                                 // the next row of the file
	err     error                                 // what ended it
	builder *graph.Builder
	used    *sync.Pool // batches of all sources of the plan that nobody uses any more
}

// Open opens a shard. width is the number of features that the model wants. The source must be closed.
//
// Errors are *FileError, or the context's.
func (p *Plan) Open(ctx context.Context, s *Shard, width int) (*Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	src := &Source{shard: s, cfg: p.cfg, group: s.FirstGroup - 1, left: s.Rows, row: s.FirstRow}
	if err := src.open(); err != nil {
		src.Close()
		return nil, fileError(s.File.Path, -1, err)
	}
	src.used = p.used
	cfg := graph.BuilderConfig{Width: width, Weighted: src.by[graph.InputWeights] != nil, GraphIDs: p.GraphIDs, Reuse: src.reuse}
	if src.by[graph.InputNodeIDs] != nil {
		cfg.NodeIDs = &p.NodeIDs
	}
	src.builder = graph.NewBuilder(cfg)
	src.rows = newRowReader(src.by, src.builder, s.File.Rel, width, p.GraphIDs, p.NodeIDs)
	return src, nil
}

func (s *Source) open() error {
	f := s.shard.File
	r, size, err := openFile(f.Path)
	if err != nil {
		return err
	}
	s.file = r
	if size != f.Size {
		return column.Changed()
	}
	if s.in, err = openContents(r, size, f.Format, s.cfg.MaxRowBytes); err != nil {
		return err
	}
	fields := s.in.Fields()
	b, err := column.Bind(s.cfg.Columns, fields)
	if err != nil {
		return err
	}
	groups, err := s.in.Groups(b)
	if err != nil {
		return err
	}
	if b != f.binding || len(groups) != len(f.groups) {
		return column.Changed()
	}
	for i := range groups {
		if groups[i] != f.groups[i] {
			return column.Changed()
		}
	}
	for r := range graph.NumInputColumns {
		if b[r] >= 0 {
			s.by[r] = column.New(r, fields[b[r]], s.cfg.MaxRowBytes)
			s.columns = append(s.columns, s.by[r])
		}
	}
	return nil
}

// Next gives the next graphs, about Config.BatchBytes of them, and io.EOF at the end. The caller owns the
// batch. Errors are *FileError, or the context's; after one there is no more to be had.
func (s *Source) Next(ctx context.Context) (*graph.Batch, error) {
	if s.err == nil {
		s.err = s.fill(ctx)
	}
	if s.err != nil && s.err != io.EOF {
		return nil, s.err
	}
	if s.builder.Len() == 0 {
		return nil, io.EOF
	}
	return s.builder.Batch(), nil
}

// Recycle implements pipeline.Recycler. The memory of a giant graph is not kept.
func (s *Source) Recycle(b *graph.Batch) {
	if b.CapBytes() <= 4*s.cfg.BatchBytes {
		s.used.Put(b)
	}
}

func (s *Source) reuse() *graph.Batch {
	b, _ := s.used.Get().(*graph.Batch)
	return b
}

// fill takes rows until the batch is large enough.
func (s *Source) fill(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.left == 0 {
			return io.EOF
		}
		room := s.cfg.BatchBytes - s.builder.Bytes()
		if s.builder.Len() > 0 && room < s.cfg.BatchBytes/4 || s.builder.Len() >= 8*maxRows {
			return nil
		}
		if err := column.Guard(func() error { return s.block(int(room)) }); err != nil {
			return fileError(s.shard.File.Path, max(s.group, 0), err)
		}
	}
}

// block decodes some rows and puts them into the batch.
func (s *Source) block(bytes int) error {
	for s.inGroup == 0 {
		if s.group++; s.group > s.shard.LastGroup {
			return column.Changed()
		}
		if s.inGroup = s.shard.File.groups[s.group].Rows; s.inGroup == 0 {
			continue
		}
		if err := s.in.Open(s.group, s.columns); err != nil {
			return err
		}
	}
	want := int(min(s.left, s.inGroup, maxRows))
	for _, c := range s.columns {
		if err := c.Fill(want, bytes); err != nil {
			return err
		}
		want = min(want, c.Complete())
	}
	if want == 0 {
		return column.Damaged("it has fewer rows than it announces")
	}
	for _, c := range s.columns {
		want = c.Within(want, bytes)
	}
	s.rows.take(s.group, s.row, want)
	for _, c := range s.columns {
		c.Drop(want)
	}
	n := int64(want)
	s.row, s.left, s.inGroup = s.row+n, s.left-n, s.inGroup-n
	if s.inGroup > 0 {
		return nil
	}
	for _, c := range s.columns {
		if err := c.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// Close frees the file.
func (s *Source) Close() error {
	if s.in != nil {
		s.in.Close()
	}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// peek looks for the number of features in a shard.
func (p *Plan) peek(ctx context.Context, s *Shard) (int, error) {
	if s.Rows == 0 {
		return 0, nil
	}
	src, err := p.Open(ctx, s, 0)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		_, err := src.Next(ctx)
		switch {
		case err != nil && err != io.EOF:
			return 0, err
		case src.rows.width > 0:
			return src.rows.width, nil
		case src.rows.blind:
			return 0, fileError(s.File.Path, -1, column.Unsupported("name the model, or add num_nodes",
				"its features are bytes and it has no num_nodes, so nothing tells their width"))
		case err == io.EOF:
			return 0, nil
		}
	}
}
