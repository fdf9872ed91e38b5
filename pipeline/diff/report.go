package diff

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// Report is what changed. Every key of its JSON is always there.
type Report struct {
	// Old and New are the sides.
	Old Side `json:"old"`
	New Side `json:"new"`
	// Tolerance is the change up to which scores count as equal.
	Tolerance float64 `json:"tolerance"`
	// Level is what the scores of both sides belong to: node, edge or graph.
	Level string `json:"level"`
	// Graphs, and at level node Nodes and at level edge Edges, say what became of those of OLD, and what NEW has besides.
	// A graph is changed where one of its nodes or edges is changed, new or missing.
	Graphs Fates `json:"graphs"`
	Nodes  Fates `json:"nodes"`
	Edges  Fates `json:"edges"`
	// MissingGraphs and NewGraphs are the ids of the first few, the others those of nodes and edges of graphs that both
	// sides have.
	MissingGraphs []string  `json:"missing_graphs"`
	NewGraphs     []string  `json:"new_graphs"`
	MissingNodes  []NodeRef `json:"missing_nodes"`
	NewNodes      []NodeRef `json:"new_nodes"`
	MissingEdges  []EdgeRef `json:"missing_edges"`
	NewEdges      []EdgeRef `json:"new_edges"`
	// MissingOutputs and NewOutputs are outputs that only one side has.
	MissingOutputs []string `json:"missing_outputs"`
	NewOutputs     []string `json:"new_outputs"`
	// Outputs has those of both sides, in the order of NEW.
	Outputs []Output `json:"outputs"`
	// Movers are the largest changes, the largest first.
	Movers []Mover `json:"movers"`
	// Joined is the number of graphs that were not found at the same place of both sides at once, and were looked
	// for by their id.
	Joined int64 `json:"joined"`
	// Findings says in short what differs; empty where nothing does beyond the tolerance.
	Findings []string `json:"findings"`
}

// Side is one output.
type Side struct {
	Path   string `json:"path"`
	Parts  int    `json:"parts"`
	Graphs int64  `json:"graphs"`
	// Nodes and Edges are those with scores: 0 where scores belong to something else.
	Nodes int64 `json:"nodes"`
	Edges int64 `json:"edges"`
	// Models are the digests of the models that its parts were scored by, sorted.
	Models []string `json:"models"`
	// Embeddings are the steps whose values its parts have beside the scores, sorted. These are not compared.
	Embeddings []string `json:"embeddings"`
	// Foreign are Parquet files that graphscore did not make. They are left out.
	Foreign []string `json:"foreign"`
}

// Rows is the number of rows, that is of nodes, edges or graphs with scores.
func (s *Side) Rows() int64 { return max(s.Nodes, s.Edges, s.Graphs) }

// Fates counts graphs, nodes or edges.
type Fates struct {
	Equal   int64 `json:"equal"`
	Changed int64 `json:"changed"`
	Missing int64 `json:"missing"`
	New     int64 `json:"new"`
}

// NodeRef names a node.
type NodeRef struct {
	Graph string `json:"graph_id"`
	Node  string `json:"node_id"`
}

// EdgeRef names an edge: Number is its place among those of its graph that have the same ends, from 0.
type EdgeRef struct {
	Graph  string `json:"graph_id"`
	Source string `json:"source"`
	Target string `json:"target"`
	Number int    `json:"number"`
}

// Output compares the scores of one output.
type Output struct {
	Name string `json:"name"`
	// Compared counts the nodes, edges or graphs that both sides have, Changed those beyond the tolerance, Moved those with any
	// change at all.
	Compared int64 `json:"compared"`
	Changed  int64 `json:"changed"`
	Moved    int64 `json:"moved"`
	// MeanChange is the mean of NEW - OLD, MeanAbsChange and MaxAbsChange are those of its size.
	MeanChange    float64 `json:"mean_change"`
	MeanAbsChange float64 `json:"mean_abs_change"`
	MaxAbsChange  float64 `json:"max_abs_change"`
	// PSI and KS compare the distributions: see the package.
	PSI float64 `json:"psi"`
	KS  float64 `json:"ks"`
	// NonFinite counts those of which a side has a score that is not a number. Graphscore writes none.
	NonFinite int64 `json:"non_finite"`
}

// Mover is one score that changed: that of a node, of an edge as [EdgeRef] names it, or of a graph. What does not name it
// is empty.
type Mover struct {
	Graph  string  `json:"graph_id"`
	Node   string  `json:"node_id"`
	Source string  `json:"source"`
	Target string  `json:"target"`
	Number int     `json:"number"`
	Output string  `json:"output"`
	Old    float32 `json:"old"`
	New    float32 `json:"new"`
	Change float64 `json:"change"`
}

// conclude fills in what follows from the counts.
func (r *Report) conclude() {
	say := func(n int64, what string) {
		if n > 0 {
			r.Findings = append(r.Findings, display.Plural(n, what))
		}
	}
	r.Findings = []string{}
	for _, name := range r.MissingOutputs {
		r.Findings = append(r.Findings, fmt.Sprintf("output %q is missing", name))
	}
	for _, name := range r.NewOutputs {
		r.Findings = append(r.Findings, fmt.Sprintf("output %q is new", name))
	}
	say(r.Graphs.Missing, "missing graph")
	say(r.Graphs.New, "new graph")
	say(r.Nodes.Missing, "missing node")
	say(r.Nodes.New, "new node")
	say(r.Edges.Missing, "missing edge")
	say(r.Edges.New, "new edge")
	for _, o := range r.Outputs {
		if o.Changed > 0 {
			r.Findings = append(r.Findings, fmt.Sprintf("output %q changed at %s", o.Name, display.Plural(o.Changed, r.Level)))
		}
	}
}

// Text writes the report for a person, in lines that fit a terminal as long as the names do.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	for _, s := range []struct {
		name string
		side *Side
	}{{"OLD", &r.Old}, {"NEW", &r.New}} {
		fmt.Fprintf(&b, "%s  %s\n     %s, %s", s.name, display.Line(s.side.Path), display.Plural(int64(s.side.Parts), "part"),
			display.Plural(s.side.Graphs, "graph"))
		if r.Level != graph.GraphLevel.String() {
			fmt.Fprintf(&b, ", %s", display.Plural(max(s.side.Nodes, s.side.Edges), r.Level))
		}
		b.WriteString("\n")
	}
	for _, s := range []*Side{&r.Old, &r.New} {
		if len(s.Embeddings) > 0 {
			fmt.Fprintf(&b, "not compared: the column %s of %s, with the values of %s\n", graph.EmbeddingColumn, s.Path, strings.Join(s.Embeddings, ", "))
		}
	}
	fmt.Fprintf(&b, "\n%-8s %14s %14s %14s %14s\n", "", "equal", "changed", "missing", "new")
	for _, f := range []struct {
		name, level string
		fates       Fates
	}{{"graphs", r.Level, r.Graphs}, {"nodes", graph.NodeLevel.String(), r.Nodes}, {"edges", graph.EdgeLevel.String(), r.Edges}} {
		if f.level != r.Level {
			continue
		}
		fmt.Fprintf(&b, "%-8s %14s %14s %14s %14s\n", f.name, humanize.Comma(f.fates.Equal),
			humanize.Comma(f.fates.Changed), humanize.Comma(f.fates.Missing), humanize.Comma(f.fates.New))
	}
	for _, l := range []struct {
		what string
		ids  []string
		all  int64
	}{
		{"missing outputs", r.MissingOutputs, int64(len(r.MissingOutputs))},
		{"new outputs", r.NewOutputs, int64(len(r.NewOutputs))},
		{"missing graphs", r.MissingGraphs, r.Graphs.Missing}, {"new graphs", r.NewGraphs, r.Graphs.New},
		{"missing nodes", refs(r.MissingNodes), 0}, {"new nodes", refs(r.NewNodes), 0},
		{"missing edges", refs(r.MissingEdges), 0}, {"new edges", refs(r.NewEdges), 0},
	} {
		sayIDs(&b, l.what, l.ids, l.all)
	}
	r.textOutputs(&b)
	if len(r.Findings) == 0 {
		b.WriteString("\nnothing differs")
		if r.Tolerance > 0 {
			fmt.Fprintf(&b, " by more than %g", r.Tolerance)
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) textOutputs(b *strings.Builder) {
	if len(r.Outputs) > 0 {
		fmt.Fprintf(b, "\n%-16s %12s %11s %11s %11s %7s %6s\n", "output", "changed", "mean", "mean size", "largest", "PSI", "KS")
	}
	for _, o := range r.Outputs {
		fmt.Fprintf(b, "%-16s %12s %11s %11s %11s %7.4f %6.4f\n", o.Name, humanize.Comma(o.Changed),
			short(o.MeanChange), short(o.MeanAbsChange), short(o.MaxAbsChange), o.PSI, o.KS)
		if o.NonFinite > 0 {
			fmt.Fprintf(b, "  %s with a score that is no number\n", display.Plural(o.NonFinite, r.Level))
		}
	}
	if len(r.Movers) > 0 {
		what := r.Level
		if what == graph.GraphLevel.String() {
			what = ""
		}
		fmt.Fprintf(b, "\n%-22s %-10s %-12s %10s %10s %10s\n", "largest movers", what, "output", "old", "new", "change")
	}
	for _, m := range r.Movers {
		fmt.Fprintf(b, "%-22s %-10s %-12s %10s %10s %10s\n", m.Graph, m.row(r.Level), m.Output,
			short(float64(m.Old)), short(float64(m.New)), short(m.Change))
	}
}

// row names the node or the edge, "" for a graph.
func (m *Mover) row(level string) string {
	if level == graph.EdgeLevel.String() {
		return edgeName(m.Source, m.Target, m.Number)
	}
	return m.Node
}

// Largest names the largest mover, of which there must be one: "graph g, node n".
func (r *Report) Largest() string {
	m := &r.Movers[0]
	if r.Level == graph.GraphLevel.String() {
		return "graph " + m.Graph
	}
	return fmt.Sprintf("graph %s, %s %s", m.Graph, r.Level, m.row(r.Level))
}

// edgeName writes the number only of an edge that is not the first of its ends.
func edgeName(source, target string, number int) string {
	name := source + "->" + target
	if number > 0 {
		name += fmt.Sprintf(" (%d)", number)
	}
	return name
}

// sayIDs lists ids in lines of up to 78 columns, and how many more there are.
func sayIDs(b *strings.Builder, what string, ids []string, all int64) {
	if len(ids) == 0 {
		return
	}
	line := "\n" + what + ":"
	for _, id := range ids {
		if len(line)+1+len(id) > 78 {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + id
	}
	if more := all - int64(len(ids)); more > 0 {
		line += fmt.Sprintf(" and %s more", humanize.Comma(more))
	}
	b.WriteString(line + "\n")
}

func (n NodeRef) String() string { return n.Graph + "/" + n.Node }

func (e EdgeRef) String() string { return e.Graph + "/" + edgeName(e.Source, e.Target, e.Number) }

func refs[R fmt.Stringer](list []R) (out []string) {
	for _, r := range list {
		out = append(out, r.String())
	}
	return out
}

// short prints a number in few columns.
func short(v float64) string {
	if v == 0 || math.Abs(v) >= 1e-3 && math.Abs(v) < 1e5 {
		return fmt.Sprintf("%.5g", v)
	}
	return fmt.Sprintf("%.3e", v)
}
