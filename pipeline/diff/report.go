package diff

import (
	"fmt"
	"io"
	"math"
	"strings"

	"graphscore/pipeline/display"

	"github.com/dustin/go-humanize"
)

// Report is what changed. Every key of its JSON is always there.
type Report struct {
	// Old and New are the sides.
	Old Side `json:"old"`
	New Side `json:"new"`
	// Tolerance is the change up to which scores count as equal.
	Tolerance float64 `json:"tolerance"`
	// Graphs and Nodes say what became of those of OLD, and what NEW has besides. A graph is changed where one of
	// its nodes is changed, new or missing.
	Graphs Fates `json:"graphs"`
	Nodes  Fates `json:"nodes"`
	// MissingGraphs and NewGraphs are the ids of the first few, MissingNodes and NewNodes those of nodes of graphs
	// that both sides have.
	MissingGraphs []string  `json:"missing_graphs"`
	NewGraphs     []string  `json:"new_graphs"`
	MissingNodes  []NodeRef `json:"missing_nodes"`
	NewNodes      []NodeRef `json:"new_nodes"`
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
	Nodes  int64  `json:"nodes"`
	// Models are the digests of the models that its parts were scored by, sorted.
	Models []string `json:"models"`
	// Foreign are Parquet files that graphscore did not make. They are left out.
	Foreign []string `json:"foreign"`
}

// Fates counts graphs or nodes.
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

// Output compares the scores of one output.
type Output struct {
	Name string `json:"name"`
	// Compared counts the nodes that both sides have, Changed those beyond the tolerance, Moved those with any
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
	// NonFinite counts nodes of which a side has a score that is not a number. Graphscore writes none.
	NonFinite int64 `json:"non_finite"`
}

// Mover is one score that changed.
type Mover struct {
	Graph  string  `json:"graph_id"`
	Node   string  `json:"node_id"`
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
	for _, o := range r.Outputs {
		if o.Changed > 0 {
			r.Findings = append(r.Findings, fmt.Sprintf("output %q changed at %s", o.Name, display.Plural(o.Changed, "node")))
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
		fmt.Fprintf(&b, "%s  %s\n     %s, %s, %s\n", s.name, s.side.Path, display.Plural(int64(s.side.Parts), "part"),
			display.Plural(s.side.Graphs, "graph"), display.Plural(s.side.Nodes, "node"))
	}
	fmt.Fprintf(&b, "\n%-8s %14s %14s %14s %14s\n", "", "equal", "changed", "missing", "new")
	for _, f := range []struct {
		name  string
		fates Fates
	}{{"graphs", r.Graphs}, {"nodes", r.Nodes}} {
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
			fmt.Fprintf(b, "  %s with a score that is no number\n", display.Plural(o.NonFinite, "node"))
		}
	}
	if len(r.Movers) > 0 {
		fmt.Fprintf(b, "\n%-22s %-10s %-12s %10s %10s %10s\n", "largest movers", "node", "output", "old", "new", "change")
	}
	for _, m := range r.Movers {
		fmt.Fprintf(b, "%-22s %-10s %-12s %10s %10s %10s\n", m.Graph, m.Node, m.Output,
			short(float64(m.Old)), short(float64(m.New)), short(m.Change))
	}
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

func refs(nodes []NodeRef) (out []string) {
	for _, n := range nodes {
		out = append(out, n.Graph+"/"+n.Node)
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
