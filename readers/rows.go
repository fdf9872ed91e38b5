package readers

import (
	"os"
	"slices"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
	"graphscore/readers/internal/parquet"
)

// maxRows is the most rows that are decoded at once, however small they are.
const maxRows = 8192

// planned are the columns whose bytes cut a file into shards: not those of a model, which is not known when planning. A
// file is in the same shards for every model.
var planned = graph.Inputs{Weights: true}

// rows is the layout with one graph a row.
type rows struct{}

func (rows) name() string { return graph.LayoutRows }

func (rows) describe(f *File, c contents, names graph.ColumnNames) error {
	fields := c.Fields()
	b, err := column.Bind(names, fields)
	if err != nil {
		return err
	}
	f.binding, f.Columns = b, describe(fields, b)
	if f.groups, err = c.Groups(b.Of(planned)); err != nil {
		return err
	}
	f.Groups = len(f.groups)
	for _, g := range f.groups {
		f.Rows += g.Rows
	}
	if at := b[graph.InputGraphID]; at >= 0 {
		f.intGraphIDs = fitsInt64(fields[at].Leaf)
	}
	if at := b[graph.InputNodeIDs]; at >= 0 {
		f.hasNodeIDs, f.intNodeIDs = true, fitsInt64(fields[at].Leaf)
	}
	return nil
}

// fitsInt64 says whether every id of a type fits into int64. Where there is none, they do.
func fitsInt64(l column.Leaf) bool {
	return l.Integer() && l != column.LeafUint64 || l == column.LeafNull
}

func (rows) open(p *Plan, s *Shard, b *graph.Builder, w *Wanted) (shardReader, error) {
	r := &rowsShard{shard: s, at: s.FirstGroup - 1, row: s.FirstRow}
	if err := column.Guard(func() error { return r.open(p.cfg, p.footers, w.Inputs) }); err != nil {
		_ = r.close() // what open says comes first
		return nil, err
	}
	r.rows = newRowReader(r.by, b, s.File, w, p.GraphIDs, p.NodeIDs)
	return r, nil
}

// rowsShard reads a shard of one file.
type rowsShard struct {
	shard   *Shard
	file    *os.File
	was     os.FileInfo // of file when it was opened
	in      contents
	columns []*column.Column                      // columns being read
	by      [graph.NumInputColumns]*column.Column // the same by what they are read for
	rows    rowReader                             // what makes graphs of them
	at      int                                   // the group that is read
	inGroup int64                                 // rows left of it
	row     int64                                 // the next row of the file
	large   bool                                  // a giant was announced, and is not taken
}

func (s *rowsShard) open(cfg Config, footers *parquet.Footers, in graph.Inputs) error {
	f := s.shard.File
	opened, size, err := openFile(f.Path)
	if err != nil {
		return err
	}
	s.file = opened
	if s.was, err = opened.Stat(); err != nil {
		return err
	}
	r := cfg.File(f.Path, opened)
	if size != f.Size {
		return column.Changed()
	}
	if s.in, err = openContents(r, size, f.Format, cfg.MaxRowBytes, footers); err != nil {
		return err
	}
	fields := s.in.Fields()
	b, err := column.Bind(cfg.Columns, fields)
	if err != nil {
		return err
	}
	same, err := s.in.Same(b.Of(planned), f.groups)
	if err != nil {
		return err
	}
	if b != f.binding || !same {
		return column.Changed()
	}
	if err := needed(in, &b, cfg.Columns, s.in.Fields); err != nil {
		return err
	}
	if b = b.Of(in); b != f.binding.Of(planned) { // what only this model reads must be readable
		if _, err := s.in.Groups(b); err != nil {
			return err
		}
	}
	for r := range graph.NumInputColumns {
		if b[r] >= 0 {
			s.by[r] = column.New(r, fields[b[r]], cfg.MaxRowBytes)
			s.columns = append(s.columns, s.by[r])
		}
	}
	return nil
}

func (s *rowsShard) group() int { return s.at }

func (s *rowsShard) widths() widths { return s.rows.met }

func (s *rowsShard) announce(begin func() error) {
	for _, c := range s.columns {
		c.Large = func() error {
			if s.large {
				return nil
			}
			s.large = true
			return begin()
		}
	}
}

func (s *rowsShard) announced() bool { return s.large }

func (s *rowsShard) unchanged() bool {
	now, err := os.Stat(s.shard.File.Path)
	return err == nil && os.SameFile(now, s.was) && now.Size() == s.was.Size() && now.ModTime().Equal(s.was.ModTime())
}

func (s *rowsShard) close() error {
	if s.in != nil {
		s.in.Close()
	}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

func (s *rowsShard) block(limit int64, bytes int) (int64, error) {
	for s.inGroup == 0 {
		if s.at++; s.at > s.shard.LastGroup {
			return 0, column.Changed()
		}
		if s.inGroup = s.shard.File.groups[s.at].Rows; s.inGroup == 0 {
			continue
		}
		if err := s.in.Open(s.at, s.columns); err != nil {
			return 0, err
		}
	}
	want := int(min(limit, s.inGroup, maxRows))
	for _, c := range s.columns {
		if err := c.Fill(want, bytes); err != nil {
			return 0, err
		}
		want = min(want, c.Complete())
	}
	if want == 0 {
		return 0, column.Damaged("it has fewer rows than it announces")
	}
	for _, c := range s.columns {
		want = c.Within(want, bytes)
	}
	if s.rows.giant() {
		if s.rows.builder.Len() > 0 {
			return 0, nil
		}
		want = 1
	}
	want = s.rows.within(want, int64(bytes)) // or a batch would be a full request and a small one
	if err := s.rows.take(s.at, s.row, want); err != nil {
		return 0, err
	}
	for _, c := range s.columns {
		s.rows.drop(c, want)
	}
	s.large = s.large && slices.ContainsFunc(s.columns, (*column.Column).Heavy)
	n := int64(want)
	s.row, s.inGroup = s.row+n, s.inGroup-n
	if s.inGroup > 0 {
		return n, nil
	}
	for _, c := range s.columns {
		if err := c.Finish(); err != nil {
			return 0, err
		}
	}
	return n, nil
}
