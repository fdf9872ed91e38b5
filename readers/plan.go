package readers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
	"graphscore/readers/internal/parquet"
)

// File is one input file.
type File struct {
	// Path is the file as a user would name it.
	Path string
	// Rel is the path under the root, with slashes. Where there are several roots, the name of its root comes
	// first.
	Rel    string
	Format Format
	Size   int64
	// Fingerprint is "fast:<hex>" or "full:<hex>".
	Fingerprint string
	// Rows is the number of graphs.
	Rows int64
	// Groups is the number of row groups or record batches.
	Groups int
	// Columns are those of the schema, in its order.
	Columns []Column

	input   int // its place in Config.Inputs
	groups  []column.Group
	binding column.Binding

	hasNodeIDs, intNodeIDs, intGraphIDs bool

	edges edgeForm
}

// Shard is a run of groups of one file: the unit of reading, retry and commit.
type Shard struct {
	File *File
	// FirstGroup and LastGroup are the groups, both included. LastGroup is -1 in a file without groups.
	FirstGroup, LastGroup int
	// FirstRow is the place of the first row in the file.
	FirstRow int64
	// Rows is how many rows are read: all of the groups, less what is beyond Config.Limit.
	Rows int64
	// Bytes is the size of the columns that most models read, uncompressed but encoded.
	Bytes int64
	// Part is the path of the output, with slashes.
	Part string
}

// Plan is what will be read, in order. It does not change and may be used by many goroutines.
type Plan struct {
	// Files are the files that can be read, sorted by Rel.
	Files []*File
	// Shards are those of all files, in order. A file without rows has one.
	Shards []Shard
	// Refused are the files that cannot be read.
	Refused []*FileError
	// Unseen are files, and folders of files, of which nobody can say whether they exist, in the form of File.Rel: what
	// could not be looked at. "." is everything. All of them are in Refused as well.
	Unseen []string
	// Unmatched are the inputs, as they were named, that led to no file, not even to one that cannot be read; Absent
	// has the folders that their files would have in File.Rel.
	Unmatched, Absent []string
	// LeftOut are the names below a folder or a glob that are not read, by rule.
	LeftOut LeftOut
	// Rows is the number of rows of all shards.
	Rows int64
	// GraphIDs and NodeIDs are the kinds of ids for the whole run.
	GraphIDs, NodeIDs graph.IDKind
	// HasWeights: at least one file has edge weights.
	HasWeights bool

	// Layout is the name of the layout that is read: graph.LayoutRows.
	Layout string

	cfg    Config
	layout layout
	gaps   []Gap
	kinds  []string        // of the inputs: kindFolder, ...
	unread map[string]bool // the Rel of files that exist and are not in Files
	used   *spares         // batches that nobody uses any more

	footers *parquet.Footers // of the files that are read
}

// Empty says whether nothing matched: there is no file, not even a refused one.
func (p *Plan) Empty() bool { return len(p.Files) == 0 && len(p.Refused) == 0 }

// LeftOut are names that are not read, by the rule that left them out. Each list is sorted.
type LeftOut struct {
	// Underscore and Dot are the files and folders whose names begin so, where the path of the input does not say so.
	Underscore, Dot []string
	// Other are the files that have neither the name nor the content of a known format.
	Other []string
	// Unfinished are the files, and folders, whose names say that they are not whole yet. They are to be read later.
	Unfinished []string
}

// sort sorts every list and keeps each name once.
func (l *LeftOut) sort() {
	for _, names := range []*[]string{&l.Underscore, &l.Dot, &l.Other, &l.Unfinished} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
}

// NewPlan finds the files and reads their footers (all bytes for full fingerprints), and nothing else.
//
// Errors are *ConfigError, *NotFoundError for a path without wildcard at which nothing exists, *PlanError for what
// must be refused before anything is read, *UnfinishedError for an input that is to be read later, or the context's. A file that cannot be read is in Plan.Refused and
// no error.
func NewPlan(ctx context.Context, cfg Config) (*Plan, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f, err := find(ctx, cfg.Inputs, cfg.Require)
	if err != nil {
		return nil, err
	}
	l, err := layoutOf(cfg.Layout)
	if err != nil {
		return nil, err
	}
	p := &Plan{cfg: cfg, layout: l, Layout: l.name(), Refused: f.refused, LeftOut: f.left, unread: map[string]bool{}, used: &spares{}, footers: &parquet.Footers{}}
	p.Unseen = f.unseen()
	p.Unmatched, p.Absent = f.unmatched()
	for _, file := range f.pending {
		p.unread[file.rel] = true
	}
	named := make([]found, 0, len(f.files))
	for _, file := range f.files {
		if why := checkRel(file.rel); why != "" {
			f.refuse(file.path, why, nil)
			p.unread[file.rel] = true
			continue
		}
		named = append(named, file)
	}
	p.Refused = f.refused
	if err := p.readFooters(ctx, named); err != nil {
		return nil, err
	}
	p.idKinds()
	for _, file := range p.Files {
		p.Shards = append(p.Shards, cutShards(file, cfg.ShardBytes)...)
	}
	if err := checkParts(named, p.Shards); err != nil {
		return nil, err
	}
	p.limit(cfg.Limit)
	p.kinds, p.gaps = f.kinds, f.gaps(p)
	return p, nil
}

// readFooters plans the files one by one, in their order. Those that cannot be read are refused.
func (p *Plan) readFooters(ctx context.Context, named []found) error {
	files, faults, err := planFiles(ctx, p.cfg, p.layout, p.footers, named)
	if err != nil {
		return err
	}
	for i, file := range named {
		if faults[i] != nil {
			refused := fileError(file.path, -1, faults[i])
			refused.Rel = file.rel
			p.Refused = append(p.Refused, refused)
			p.unread[file.rel] = true
			continue
		}
		p.Files = append(p.Files, files[i])
	}
	return nil
}

// fileError makes an error of what went wrong in a file.
func fileError(path string, group int, err error) *FileError {
	var fe *FileError
	if errors.As(err, &fe) {
		return fe
	}
	e := &FileError{Path: path, RowGroup: group, Row: -1, Err: err}
	var d *column.FormatError
	switch {
	case errors.As(err, &d):
		e.Reason, e.Whole = d.Reason, d.Whole
	case errors.Is(err, os.ErrPermission):
		e.Reason = permissionDenied
	default:
		e.Reason = fmt.Sprintf("it cannot be read (%v); %s", display.Cause(err), remedy(err))
	}
	return e
}

// remedy says what to do where a call of the operating system on a file failed.
func remedy(err error) string {
	if limit := display.Raise(err); limit != "" {
		return limit + " and run again"
	}
	return "check the disk and the file"
}

// Footers are read side by side where there are many files: on a disk of the network each costs several round trips.
const (
	manyFiles     = 64
	footersAtOnce = 8
)

// planFiles plans all files. Of each it returns the plan, or why it cannot be read. The error is that of ctx.
func planFiles(ctx context.Context, cfg Config, l layout, footers *parquet.Footers, files []found) (planned []*File, faults []error, err error) {
	planned, faults = make([]*File, len(files)), make([]error, len(files))
	err = sideBySide(ctx, len(files), func(ctx context.Context, i int, look *looked) {
		faults[i] = column.Guard(func() (err error) {
			planned[i], err = planFile(ctx, cfg, l, footers, files[i], look)
			return err
		})
	})
	return planned, faults, err
}

// sideBySide calls work for each of n files, a few at a time, each time with what no other call uses. The error is that of
// ctx.
func sideBySide(ctx context.Context, n int, work func(ctx context.Context, i int, look *looked)) error {
	g, gctx := errgroup.WithContext(ctx)
	atOnce := 1
	if n >= manyFiles {
		atOnce = footersAtOnce
	}
	var next atomic.Int64
	for range atOnce { // a goroutine for many files: the stack of each has to grow
		g.Go(func() error {
			var look looked
			for i := next.Add(1) - 1; i < int64(n) && gctx.Err() == nil; i = next.Add(1) - 1 {
				work(gctx, int(i), &look)
			}
			return gctx.Err()
		})
	}
	return cmp.Or(g.Wait(), ctx.Err())
}

func planFile(ctx context.Context, cfg Config, l layout, footers *parquet.Footers, file found, look *looked) (*File, error) {
	opened, size, err := openFile(file.path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	if err := look.at(opened, cfg.File(file.path, opened), size); err != nil {
		return nil, err
	}
	f := &File{Path: file.path, Rel: file.rel, Size: size, input: file.input}
	if f.Format, err = detect(look, size); err != nil {
		return nil, err
	}
	c, err := openContents(look, size, f.Format, cfg.MaxRowBytes, footers)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := column.Guard(func() error { return l.describe(f, c, cfg.Columns) }); err != nil {
		return nil, err
	}
	f.Columns = look.share(f.Columns)
	f.Fingerprint, err = fingerprint(ctx, look, size, cfg.Fingerprint, c.FooterSize())
	return f, err
}

// openFile opens a regular file. It does not wait on what has become a pipe meanwhile.
func openFile(name string) (*os.File, int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &column.FormatError{Reason: notRegular(info.Mode())}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if info, err = f.Stat(); err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// idKinds settles one type for the graph ids of all files, and one for the node ids.
func (p *Plan) idKinds() {
	p.GraphIDs, p.NodeIDs = graph.Int64, graph.Int64
	for _, f := range p.Files {
		if !f.intGraphIDs {
			p.GraphIDs = graph.String
		}
		if f.hasNodeIDs && !f.intNodeIDs {
			p.NodeIDs = graph.String
		}
		p.HasWeights = p.HasWeights || f.binding[graph.InputWeights] >= 0
	}
	if len(p.Files) == 0 {
		p.GraphIDs = graph.String
	}
}

// Widen makes ids of kind String where the arguments say so: for a run whose earlier parts have them. It must
// come before Open.
func (p *Plan) Widen(graphIDs, nodeIDs graph.IDKind) {
	p.GraphIDs, p.NodeIDs = max(p.GraphIDs, graphIDs), max(p.NodeIDs, nodeIDs)
}

// cutShards cuts a file into shards of about so many bytes.
func cutShards(f *File, bytes int64) []Shard {
	shards := []Shard{{File: f, LastGroup: -1}}
	s := &shards[0]
	var row int64
	for i, g := range f.groups {
		if s.LastGroup >= s.FirstGroup && s.Bytes+g.Bytes > bytes {
			shards = append(shards, Shard{File: f, FirstGroup: i, FirstRow: row})
			s = &shards[len(shards)-1]
		}
		s.LastGroup = i
		s.Rows += g.Rows
		s.Bytes += g.Bytes
		row += g.Rows
	}
	for i := range shards {
		s := &shards[i]
		if s.Part = partOf(f.Rel); len(shards) > 1 {
			s.Part = partOfRange(f.Rel, s.FirstGroup, s.LastGroup)
		}
	}
	return shards
}

// limit cuts the shards off after n rows, 0 for none, and counts the rows.
func (p *Plan) limit(n int64) {
	for i := range p.Shards {
		s := &p.Shards[i]
		if n > 0 && p.Rows+s.Rows >= n {
			s.Rows = n - p.Rows
			p.Rows = n
			p.Shards = p.Shards[:i+1]
			return
		}
		p.Rows += s.Rows
	}
}

// Width is the number of features of the first graph that has nodes, for a run that cannot ask a model. It is 0
// where no graph has nodes. Errors are those of a Source, or say that the width of binary features is unknown.
func (p *Plan) Width(ctx context.Context) (int, error) {
	var first error
	for i := range p.Shards {
		met, err := p.peek(ctx, &p.Shards[i], Wanted{Inputs: graph.Inputs{Weights: true}}, func(w widths) bool { return w.node > 0 })
		if err == nil && met.node > 0 {
			return met.node, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if first == nil {
			first = err
		}
	}
	return 0, first
}

// FurtherWidths are the numbers of features of an edge and of a graph in edge_attr and graph_attr, as the first graphs with
// some have them in the first shard that has the column. They are 0 where there are none, and where they are bytes, whose
// width only a model knows. width is that of the features of nodes. Errors are those of a Source.
func (p *Plan) FurtherWidths(ctx context.Context, width int) (edge, graphs int, err error) {
	edge, err = p.furtherWidth(ctx, graph.InputEdgeAttr, Wanted{Width: width, Inputs: graph.Inputs{EdgeWidth: 1}}, func(w widths) int { return w.edge })
	if err != nil {
		return 0, 0, err
	}
	graphs, err = p.furtherWidth(ctx, graph.InputGraphAttr, Wanted{Width: width, Inputs: graph.Inputs{GraphWidth: 1}}, func(w widths) int { return w.graph })
	return edge, graphs, err
}

// furtherWidth is one of FurtherWidths.
func (p *Plan) furtherWidth(ctx context.Context, column graph.InputColumn, want Wanted, of func(widths) int) (int, error) {
	at := slices.IndexFunc(p.Shards, func(s Shard) bool { return s.File.binding[column] >= 0 && s.Rows > 0 })
	if at < 0 {
		return 0, nil
	}
	met, err := p.peek(ctx, &p.Shards[at], want, func(w widths) bool { return of(w) > 0 })
	return of(met), err
}

// Present returns the paths under their roots of all files that exist, readable and finished or not.
func (p *Plan) Present() map[string]bool {
	there := make(map[string]bool, len(p.Files))
	for _, f := range p.Files {
		there[f.Rel] = true
	}
	for rel := range p.unread {
		there[rel] = true
	}
	return there
}
