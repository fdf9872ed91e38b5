package readers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
	"graphscore/readers/internal/parquet"
)

// What an input is, in a listing.
const (
	kindFolder = "folder"
	kindFile   = "file"
	kindGlob   = "glob"
)

// Listing is a plan as a file keeps it: all that a shard is opened by, without what the footers say of its groups.
type Listing struct {
	Inputs      []ListedInput     `json:"inputs"`
	Columns     map[string]string `json:"columns"`
	Layout      string            `json:"layout"`
	Require     string            `json:"require"`
	Fingerprint string            `json:"fingerprint"`
	ShardBytes  int64             `json:"shard_bytes"`
	Limit       int64             `json:"limit"`

	GraphIDs string `json:"graph_id"`
	NodeIDs  string `json:"node_id"`
	Weights  bool   `json:"weights"`

	Files []ListedFile `json:"files"`
	Gaps  []ListedGap  `json:"gaps"`

	Unread    []string `json:"unread"`
	Unseen    []string `json:"unseen"`
	Unmatched []string `json:"unmatched"`
	Absent    []string `json:"absent"`
	// Underscore, Dot and Other are as in LeftOut.
	Underscore []string `json:"underscore"`
	Dot        []string `json:"dot"`
	Other      []string `json:"other"`
}

// ListedInput is a root. Path is absolute; Kind is folder, file or glob.
type ListedInput struct {
	Name string `json:"name"`
	Path string `json:"path"`
	Kind string `json:"kind"`
}

// ListedFile is a file that can be read. Path is that of File.Rel.
type ListedFile struct {
	Input       int           `json:"input"`
	Path        string        `json:"path"`
	Size        int64         `json:"size"`
	Fingerprint string        `json:"fingerprint"`
	Rows        int64         `json:"rows"`
	Groups      int           `json:"groups"`
	Shards      []ListedShard `json:"shards"`
}

// ListedShard is a shard of a file, as Shard has it.
type ListedShard struct {
	Part       string `json:"part"`
	FirstGroup int    `json:"first_row_group"`
	LastGroup  int    `json:"last_row_group"`
	FirstRow   int64  `json:"first_row"`
	Rows       int64  `json:"rows"`
	Bytes      int64  `json:"bytes"`
}

// ListedGap is a gap: Reason is that of a refused file, empty for one that is not finished. File is its path as a user
// would name it.
type ListedGap struct {
	Path   string `json:"path"`
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Listing returns the plan as a file keeps it.
func (p *Plan) Listing() (*Listing, error) {
	l, err := listed(p.cfg)
	if err != nil {
		return nil, err
	}
	for i := range l.Inputs {
		l.Inputs[i].Kind = p.kinds[i]
	}
	l.Layout = p.Layout
	l.GraphIDs, l.NodeIDs, l.Weights = p.GraphIDs.String(), p.NodeIDs.String(), p.HasWeights
	l.Unseen, l.Unmatched, l.Absent = p.Unseen, p.Unmatched, p.Absent
	l.Underscore, l.Dot, l.Other = p.LeftOut.Underscore, p.LeftOut.Dot, p.LeftOut.Other
	for rel := range p.unread {
		l.Unread = append(l.Unread, rel)
	}
	slices.Sort(l.Unread)
	l.Files = slices.Grow(l.Files, min(len(p.Files), len(p.Shards)))
	for i := range p.Shards {
		sh := &p.Shards[i]
		if n := len(l.Files); n == 0 || l.Files[n-1].Path != sh.File.Rel {
			f := sh.File
			l.Files = append(l.Files, ListedFile{
				Input: f.input, Path: f.Rel, Size: f.Size, Fingerprint: f.Fingerprint, Rows: f.Rows, Groups: f.Groups,
			})
		}
		f := &l.Files[len(l.Files)-1]
		f.Shards = append(f.Shards, ListedShard{sh.Part, sh.FirstGroup, sh.LastGroup, sh.FirstRow, sh.Rows, sh.Bytes})
	}
	for _, gap := range p.gaps {
		g := ListedGap{Path: gap.Rel, File: gap.Unfinished}
		if gap.Refused != nil {
			g.File, g.Reason = gap.Refused.Path, gap.Refused.Reason
		}
		l.Gaps = append(l.Gaps, g)
	}
	return l, nil
}

// listed is what a listing has of what is read and how.
func listed(cfg Config) (*Listing, error) {
	l := &Listing{
		Columns: cfg.Columns.Map(), Layout: cfg.Layout, Require: cfg.Require, Fingerprint: cfg.Fingerprint,
		ShardBytes: cfg.ShardBytes, Limit: cfg.Limit,
	}
	for _, in := range cfg.Inputs {
		abs, err := filepath.Abs(in.Path)
		if err != nil {
			return nil, &PlanError{in.Path, fmt.Sprintf("its folder cannot be determined (%v); name an absolute path", err)}
		}
		l.Inputs = append(l.Inputs, ListedInput{Name: in.Name, Path: abs})
	}
	return l, nil
}

// Planned returns the plan of a listing without opening a file. Its shards can be opened once [Plan.Confirm] has compared
// their files. The error is a *ConfigError, or a *ChangedError where the listing is of another input.
func Planned(cfg Config, l *Listing) (*Plan, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	layout, err := layoutOf(cfg.Layout)
	if err != nil {
		return nil, err
	}
	now, err := listed(cfg)
	if err != nil {
		return nil, err
	}
	now.Layout = layout.name()
	if err := l.sameInput(now); err != nil {
		return nil, err
	}
	p := &Plan{
		cfg: cfg, layout: layout, Layout: layout.name(), used: &spares{}, footers: &parquet.Footers{}, unread: map[string]bool{},
		GraphIDs: idKind(l.GraphIDs), NodeIDs: idKind(l.NodeIDs), HasWeights: l.Weights,
		Unseen: l.Unseen, Unmatched: l.Unmatched, Absent: l.Absent,
		LeftOut: LeftOut{Underscore: l.Underscore, Dot: l.Dot, Other: l.Other},
	}
	for _, in := range l.Inputs {
		p.kinds = append(p.kinds, in.Kind)
	}
	for _, rel := range l.Unread {
		p.unread[rel] = true
	}
	for i := range l.Files {
		if err := p.list(&l.Files[i]); err != nil {
			return nil, err
		}
	}
	for _, g := range l.Gaps {
		gap := Gap{Rel: g.Path, Unfinished: g.File}
		if g.Reason != "" {
			gap = Gap{Rel: g.Path, Refused: &FileError{Path: g.File, RowGroup: -1, Row: -1, Reason: g.Reason, Rel: g.Path}}
			p.Refused = append(p.Refused, gap.Refused)
		} else {
			p.LeftOut.Unfinished = append(p.LeftOut.Unfinished, g.File)
		}
		p.gaps = append(p.gaps, gap)
	}
	return p, nil
}

func idKind(name string) graph.IDKind {
	if name == graph.String.String() {
		return graph.String
	}
	return graph.Int64
}

// list adds a file of a listing, which is not opened.
func (p *Plan) list(l *ListedFile) error {
	if l.Input < 0 || l.Input >= len(p.cfg.Inputs) || len(l.Shards) == 0 {
		return &ChangedError{Path: l.Path, Reason: "the plan names no shards of it"}
	}
	f := &File{Rel: l.Path, Size: l.Size, Fingerprint: l.Fingerprint, Rows: l.Rows, Groups: l.Groups, input: l.Input}
	f.Path = p.pathOf(l.Input, l.Path)
	for i := range f.binding {
		f.binding[i] = -1
	}
	p.Files = append(p.Files, f)
	for _, s := range l.Shards {
		p.Shards = append(p.Shards, Shard{
			File: f, FirstGroup: s.FirstGroup, LastGroup: s.LastGroup, FirstRow: s.FirstRow, Rows: s.Rows, Bytes: s.Bytes, Part: s.Part,
		})
		p.Rows += s.Rows
	}
	return nil
}

// pathOf is a file of an input as a user would name it.
func (p *Plan) pathOf(input int, rel string) string {
	in := p.cfg.Inputs[input]
	if in.Name != "" {
		rel = strings.TrimPrefix(rel, in.Name+"/")
	}
	base := filepath.Clean(in.Path)
	switch p.kinds[input] {
	case kindFile:
		base = filepath.Dir(base)
	case kindGlob:
		base, _ = SplitGlob(base)
	}
	return filepath.Join(base, filepath.FromSlash(rel))
}

// sameInput returns a *ChangedError where a listing is not that of what is read now.
func (l *Listing) sameInput(now *Listing) error {
	differ := func(what string, is, was any) error {
		text := func(v any) string { return column.Printable(fmt.Sprint(v)) }
		return &ChangedError{Reason: fmt.Sprintf("the plan is of another input: %s is %s, and it was planned with %s: make the plan again", what, text(is), text(was))}
	}
	if len(now.Inputs) != len(l.Inputs) {
		return differ("the number of inputs", len(now.Inputs), len(l.Inputs))
	}
	for i, in := range now.Inputs {
		if in.Name != l.Inputs[i].Name || in.Path != l.Inputs[i].Path {
			return differ("input", in.Path, l.Inputs[i].Path)
		}
	}
	return cmp.Or(
		unless(fmt.Sprint(now.Columns) == fmt.Sprint(l.Columns), differ("input.columns", now.Columns, l.Columns)),
		unless(now.Layout == l.Layout, differ("input.layout", now.Layout, l.Layout)),
		unless(now.Require == l.Require, differ("input.require", now.Require, l.Require)),
		unless(now.Fingerprint == l.Fingerprint, differ("input.fingerprint", now.Fingerprint, l.Fingerprint)),
		unless(now.ShardBytes == l.ShardBytes, differ("input.shard_bytes", now.ShardBytes, l.ShardBytes)),
		unless(now.Limit == l.Limit, differ("--limit", now.Limit, l.Limit)),
	)
}

// unless is the error, or nil where ok is true.
func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

// Confirm opens the files of the plan, which is that of a listing, and compares them with it. Errors are a *ChangedError for
// a file that is not what was planned, a *FileError of the system, or the context's.
func (p *Plan) Confirm(ctx context.Context) error {
	shards, faults := p.shardsOf(), make([]error, len(p.Files))
	err := sideBySide(ctx, len(p.Files), func(ctx context.Context, i int, look *looked) {
		faults[i] = p.confirm(ctx, p.Files[i], shards[i], look)
	})
	if err != nil {
		return err
	}
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// shardsOf returns the shards of each file.
func (p *Plan) shardsOf() [][]Shard {
	of := make([][]Shard, len(p.Files))
	left := p.Shards
	for i, f := range p.Files {
		n := 0
		for n < len(left) && left[n].File == f {
			n++
		}
		of[i], left = left[:n], left[n:]
	}
	return of
}

// confirm is Confirm for one file, of which nothing is kept but what reading its shards needs.
func (p *Plan) confirm(ctx context.Context, f *File, shards []Shard, look *looked) error {
	var now *File
	err := column.Guard(func() (err error) {
		now, err = planFile(ctx, p.cfg, p.layout, p.footers, found{path: f.Path, rel: f.Rel, input: f.input}, look)
		return err
	})
	if err != nil {
		refused := fileError(f.Path, -1, err)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return &ChangedError{f.Path, "it does not exist any more: make the plan again"}
		case refused.OfSystem():
			return refused
		}
		return &ChangedError{f.Path, refused.Reason}
	}
	if now.Fingerprint != f.Fingerprint || now.Size != f.Size || now.Rows != f.Rows || now.Groups != f.Groups {
		return &ChangedError{f.Path, fmt.Sprintf("it has %d graphs and the fingerprint %s, and had %d and %s: make the plan again",
			now.Rows, now.Fingerprint, f.Rows, f.Fingerprint)}
	}
	cut := map[string]*Shard{}
	for _, s := range cutShards(now, p.cfg.ShardBytes) {
		cut[s.Part] = &s
	}
	for i := range shards {
		if s := cut[shards[i].Part]; s == nil || !s.covers(&shards[i]) {
			return &ChangedError{f.Path, fmt.Sprintf("no shard of it makes the part %s: make the plan again", shards[i].Part)}
		}
	}
	f.Format, f.Columns, f.groups, f.binding = now.Format, now.Columns, now.groups, now.binding
	f.hasNodeIDs, f.intNodeIDs, f.intGraphIDs = now.hasNodeIDs, now.intNodeIDs, now.intGraphIDs
	return nil
}

// covers reports whether other is s, or the first graphs of it.
func (s *Shard) covers(other *Shard) bool {
	return s.FirstGroup == other.FirstGroup && s.LastGroup == other.LastGroup &&
		s.FirstRow == other.FirstRow && other.Rows <= s.Rows
}

// Later returns how many files came to the input after the plan, which is that of a listing, was made. It looks at names
// alone; of a plan with a limit it returns 0, as that names only some of the files. Errors are those of [NewPlan].
func (p *Plan) Later(ctx context.Context) (int, error) {
	if p.cfg.Limit > 0 {
		return 0, nil
	}
	f, err := find(ctx, p.cfg.Inputs, p.cfg.Require)
	if err != nil {
		return 0, err
	}
	planned := make(map[string]bool, len(p.Files))
	for _, file := range p.Files {
		planned[file.Rel] = true
	}
	later := 0
	for _, file := range slices.Concat(f.files, f.pending) {
		if !planned[file.rel] && !p.unread[file.rel] {
			later++
		}
	}
	return later, nil
}
