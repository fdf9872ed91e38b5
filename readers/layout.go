package readers

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// layout is how the graphs of an input are stored in its files. It has no state: many goroutines use it.
type layout interface {
	// name is that of graph.Layouts.
	name() string
	// describe binds the columns of f, whose contents are c, and fills in what they say: columns, groups, rows and the
	// types of ids. names are those that the user gave. Errors are *column.FormatError or of the disk.
	describe(f *File, c contents, names graph.ColumnNames) error
	// open opens a shard, whose graphs and rejections go into b. It fails where a file is another than that which was
	// described, or lacks a column that is wanted.
	open(p *Plan, s *Shard, b *graph.Builder, w *Wanted) (shardReader, error)
}

// shardReader reads the graphs of a shard in order. One goroutine uses it.
type shardReader interface {
	// block reads at least one row, at most limit, and about so many bytes of them. It returns how many rows it read.
	block(limit int64, bytes int) (rows int64, err error)
	// group is the number of the group that is read, -1 before the first one.
	group() int
	// widths are the numbers of features of a node, of an edge and of a graph in the first graphs that have some, 0 before
	// them.
	widths() widths
	// announce has block call begin before it takes the memory of a giant, which it or a later call returns.
	announce(begin func() error)
	// announced says whether there is such a giant that block has not returned.
	announced() bool
	// unchanged reports whether the files are those that open would open now, as they were when it opened them.
	unchanged() bool
	// close closes the files. It is called once.
	close() error
}

// widths are numbers of features, 0 where none was met.
type widths struct{ node, edge, graph int }

// note takes a width where none was met before.
func note(met *int, width int) {
	if *met == 0 && width > 0 {
		*met = width
	}
}

// layoutOf returns the layout with a name. Another layout is a file like rows.go, a name in graph.Layouts and a line
// here.
func layoutOf(name string) (layout, error) {
	switch name {
	case graph.LayoutAuto, graph.LayoutRows:
		return rows{}, nil
	case "tables":
		return nil, &ConfigError{"input.layout", "layout tables is not supported yet; use rows"}
	}
	return nil, &ConfigError{"input.layout", fmt.Sprintf("unknown layout %q; use %s", name, strings.Join(graph.Layouts(), " or "))}
}

// isTables reports a folder of layout tables: it holds `nodes` and `edges`, folders or files of known names.
func isTables(entries []fs.DirEntry) bool {
	has := map[string]bool{}
	for _, e := range entries {
		stem := e.Name()
		if !e.IsDir() {
			ext := filepath.Ext(stem)
			if !slices.Contains(dataNames, strings.ToLower(ext)) {
				continue
			}
			stem = strings.TrimSuffix(stem, ext)
		}
		has[stem] = true
	}
	return has["nodes"] && has["edges"]
}

// Column describes a column of a file for people.
type Column struct {
	// Name and Type are those of the file, Type in the words of Arrow: list<list<float>>.
	Name, Type string
	// Role is what the column is read for, a key of `columns:` in the job, or empty: it is ignored.
	Role string
	// Further: only models that use it read it.
	Further bool
}

func describe(fields []column.Field, b column.Binding) []Column {
	columns := make([]Column, len(fields))
	for i, f := range fields {
		columns[i] = Column{Name: f.Name, Type: f.Type}
		for r := range graph.NumInputColumns {
			if b[r] == i && (columns[i].Role == "" || !r.Further()) {
				columns[i].Role, columns[i].Further = r.String(), r.Further()
			}
		}
	}
	return columns
}
