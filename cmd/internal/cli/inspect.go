package cli

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/writers/record"
)

func (e *env) inspectCommand() *cobra.Command {
	f := &jobFlags{}
	cmd := &cobra.Command{
		Use:     "inspect PATH...",
		Short:   "Report what an input holds: layout, schema, counts and sizes",
		Example: "  graphscore inspect graphs/\n  graphscore inspect 'graphs/**/*.arrow'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("inspect needs a path: see graphscore inspect --help")
			}
			job := &jobs.Job{}
			if err := f.apply(job); err != nil {
				return err
			}
			for i, path := range args {
				root := jobs.Path{Path: path}
				if len(args) > 1 {
					root.Name = fmt.Sprintf("input%d", i+1)
				}
				job.Input.Path = append(job.Input.Path, root)
			}
			full := job.WithDefaults()
			return e.inspect(cmd.Context(), e.config(f, &full, ""))
		},
	}
	f.bindReading(cmd)
	e.bindJSON(cmd, "print what was found as one JSON object on standard output")
	return cmd
}

func (e *env) inspect(ctx context.Context, cfg run.Config) error {
	in, err := cfg.ReadPlan(ctx)
	if err != nil {
		return err
	}
	width := e.widths(ctx, in.Plan)
	var nodes, edges histogram
	found, err := in.Scan(ctx, run.Served{}.Wanted(width.node), pipeline.Config{}, run.Observer{
		Batch: func(b *graph.Batch) {
			for g := range b.Graphs() {
				nodes.add(b.GraphNodes(g))
				edges.add(b.GraphEdges(g))
			}
		},
		Reject: func(*readers.File, graph.Rejection) {},
	})
	if err != nil {
		return err
	}
	refused := e.sayUnread(in, found)
	refused = append(refused, e.sayLacking(in, refused)...)
	if e.asJSON {
		object := newInspection(in, found, width, refused, &nodes, &edges)
		e.answer = func(end ending) any { object.ending = end; return object }
	} else {
		printFiles(e.stdout, in.Plan)
		if left := in.LeftOut(); left.Sum() > 0 {
			fmt.Fprintf(e.stdout, "left out: %s\n", left)
		}
		printSizes(e.stdout, in.Plan, found.Result, width, &nodes, &edges)
	}
	if len(refused) > 0 {
		code := exit.Partly
		if len(refused) == in.Files() {
			code = exit.NoInput
		}
		return &run.OutcomeError{Code: code, Message: "files were refused: " + display.Plural(int64(len(refused)), "file"), Said: true}
	}
	return in.Outcome(0, true, nil, 0) // what is not finished
}

// inputWidths are the numbers of features of a node, an edge and a graph, 0 where they are not known.
type inputWidths struct{ node, edge, graph int }

// widths looks for the numbers of features in an input, and warns where it cannot.
func (e *env) widths(ctx context.Context, plan *readers.Plan) (w inputWidths) {
	if len(plan.Shards) == 0 {
		return w
	}
	var err error
	if w.node, err = plan.Width(ctx); err != nil {
		e.log.WarnContext(ctx, "the width of the features is not known", "error", err)
		return w
	}
	if w.edge, w.graph, err = plan.FurtherWidths(ctx, w.node); err != nil {
		e.log.WarnContext(ctx, "the widths of the features of edges and graphs are not known", "error", err)
	}
	return w
}

// String names those that are known.
func (w inputWidths) String() string {
	text := fmt.Sprintf("%d features a node", w.node)
	if w.edge > 0 {
		text += fmt.Sprintf(", %d an edge", w.edge)
	}
	if w.graph > 0 {
		text += fmt.Sprintf(", %d a graph", w.graph)
	}
	return text
}

// sayLacking says which other files than those that are refused lack a column that only some models read and the user
// names, and returns them.
func (e *env) sayLacking(in *run.Input, refused []record.RefusedFile) (lacking []record.RefusedFile) {
	names := in.Job.Input.Columns.ColumnNames
	width := func(c graph.InputColumn) int { return min(len(names.Name(c)), 1) }
	named := graph.Inputs{EdgeWidth: width(graph.InputEdgeAttr), EdgeTypes: width(graph.InputEdgeType), GraphWidth: width(graph.InputGraphAttr)}
	for f, why := range in.Plan.Lacking(named) {
		if slices.ContainsFunc(refused, func(r record.RefusedFile) bool { return r.File == f.Path }) {
			continue
		}
		lacking = append(lacking, record.RefusedFile{File: f.Path, Reason: why.Error()})
	}
	e.sayRefused("", lacking)
	return lacking
}

// printFiles prints every file, and of the schema wherever it differs from that of the file before.
func printFiles(w io.Writer, plan *readers.Plan) {
	before := ""
	for _, file := range plan.Files {
		fmt.Fprintf(w, "%s\n  %s, %s, %s, %s\n", display.Line(file.Path), file.Format, humanize.IBytes(uint64(file.Size)),
			display.Plural(file.Rows, "row"), display.Plural(int64(file.Groups), "row group"))
		var b strings.Builder
		for _, c := range file.Columns {
			use := "ignored"
			switch {
			case c.Role == "":
			case c.Further:
				use = "read as " + c.Role + " by models that use it"
			default:
				use = "read as " + c.Role
			}
			fmt.Fprintf(&b, "    %-16s %-34s %s\n", display.Line(c.Name), display.Line(c.Type), use)
		}
		if b.String() != before {
			before = b.String()
			fmt.Fprint(w, before)
		}
	}
	for _, path := range plan.LeftOut.Other {
		fmt.Fprintf(w, "%s\n  ignored: neither Parquet nor Arrow\n", display.Line(path))
	}
}

func printSizes(w io.Writer, plan *readers.Plan, result *pipeline.Result, width inputWidths, nodes, edges *histogram) {
	c := result.Counts
	fmt.Fprintf(w, "layout %s, %s in %s, %s\n  graph_id %s, node_id %s\n",
		plan.Layout, display.Plural(int64(len(plan.Files)), "file"), display.Plural(int64(len(plan.Shards)), "shard"), width, plan.GraphIDs, plan.NodeIDs)
	fmt.Fprintf(w, "  graphs %s, nodes %s, edges %s\n", humanize.Comma(c.Scored), humanize.Comma(c.Nodes), humanize.Comma(c.Edges))
	if c.Quarantined > 0 {
		fmt.Fprintf(w, "  %s for quarantine: %s\n", display.Plural(c.Quarantined, "graph"), display.Counts(c.Codes))
	}
	if c.Scored > 0 {
		fmt.Fprintf(w, "  a graph has %8s %8s %8s %8s %8s\n", "mean", "half <=", "90% <=", "99% <=", "most")
		nodes.print(w, "nodes")
		edges.print(w, "edges")
	}
}

// histogram counts sizes by powers of two: bounded, whatever comes.
type histogram struct {
	count, sum int64
	most       int
	buckets    [65]int64 // bucket k holds sizes of k bits
}

func (h *histogram) add(n int) {
	h.count++
	h.sum += int64(n)
	h.most = max(h.most, n)
	h.buckets[bits.Len(uint(n))]++
}

// quantile returns an upper bound of the size that a share of all does not exceed.
func (h *histogram) quantile(share float64) int {
	var seen int64
	for k, n := range h.buckets {
		if seen += n; float64(seen) >= share*float64(h.count) {
			return min(1<<k-1, h.most)
		}
	}
	return h.most
}

func (h *histogram) print(w io.Writer, what string) {
	fmt.Fprintf(w, "    %-9s %8.1f %8d %8d %8d %8d\n", what, float64(h.sum)/float64(h.count),
		h.quantile(0.5), h.quantile(0.9), h.quantile(0.99), h.most)
}
