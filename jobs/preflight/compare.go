package preflight

import (
	"context"
	"slices"

	"graphscore/jobs/run"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// comparison is a plan compared with the parts that exist.
type comparison struct {
	in       *run.Input
	served   run.Served
	contract *run.Contract
	found    *writers.Comparison
	misfit   bool                                 // the width of the model is not that of the data
	lacking  map[*readers.File]*readers.FileError // files without a column that the model reads, which a run refuses
}

func compare(ctx context.Context, in *run.Input, served run.Served, width int) (*comparison, error) {
	contract, found, err := in.Compare(ctx, served, width)
	if err != nil {
		return nil, err
	}
	c := &comparison{in: in, served: served, contract: contract, found: found, lacking: map[*readers.File]*readers.FileError{}}
	for f, why := range in.Plan.Lacking(contract.Wanted().Inputs) {
		c.lacking[f] = why
	}
	return c, nil
}

// nothingToCompare is the comparison of a plan without shards, with what does not answer.
func nothingToCompare(in *run.Input) *comparison {
	exists, _ := checkFolder(in.Job.Output.Path) // that it cannot be written to is said elsewhere
	return &comparison{in: in, contract: in.Agree(run.Served{}, 0, run.IDTypes{}), found: &writers.Comparison{Exists: exists}}
}

// blockedParts are the names of the parts that were made from something else.
func (c *comparison) blockedParts() map[string]bool {
	names := map[string]bool{}
	for _, m := range c.found.Mismatches {
		names[m.Part] = true
	}
	return names
}

// todo are the places in the plan of the shards that a run would score.
func (c *comparison) todo() (places []int) {
	blocked := c.blockedParts()
	for i, d := range c.found.Decisions {
		if sh := &c.in.Plan.Shards[i]; d != writers.Skip && !blocked[sh.Part] && c.lacking[sh.File] == nil {
			places = append(places, i)
		}
	}
	return places
}

// quarantined is the number of graphs in the quarantine of parts that exist.
func (c *comparison) quarantined() (sum int64) {
	for _, l := range c.found.Footers {
		if l != nil {
			sum += l.Quarantined
		}
	}
	return sum
}

// quarantinedByCode counts the graphs in the quarantine of parts that stay, by reason.
func (c *comparison) quarantinedByCode() map[string]int64 {
	codes := map[string]int64{}
	for _, l := range c.found.Footers {
		if l != nil {
			for code, n := range l.Codes {
				codes[code] += n
			}
		}
	}
	return codes
}

// outcome is how a run would end that nothing stops, as far as footers say.
func (c *comparison) outcome(verdicts []record.Gate) error {
	if err := c.in.OverBudget(c.quarantinedByCode()); err != nil {
		return err
	}
	anyDone := slices.ContainsFunc(c.found.Footers, func(l *part.Footer) bool { return l != nil })
	return c.in.Outcome(len(c.in.Plan.Refused)+len(c.lacking), anyDone, verdicts, c.quarantined())
}

// workloads says which shards are in which state.
func (c *comparison) workloads() (w Workloads) {
	blocked := c.blockedParts()
	for i := range c.in.Plan.Shards {
		sh := &c.in.Plan.Shards[i]
		to := &w.Score
		switch decision := c.found.Decisions[i]; {
		case c.lacking[sh.File] != nil:
			continue
		case blocked[sh.Part]:
			to = &w.Blocked
		case decision == writers.Skip:
			to = &w.Skip
		case decision == writers.Redo || decision == writers.Retry:
			to = &w.Redo
		}
		groups := c.groups(sh)
		to.add(groups)
		w.All.add(groups)
	}
	return w
}

// estimates works out what footers say of requests and parts.
func (c *comparison) estimates() (e Estimates) {
	job, todo := c.in.Job, c.todo()
	limits := estimate.Limits{
		RequestBytes: int64(job.Limits.RequestBytes), BatchBytes: readers.Config{}.WithDefaults().BatchBytes,
		OneByOne: remote.TraitsOf(job.Server.Protocol).OneGraph,
	}
	total := estimate.Group{Counted: true}
	for _, i := range todo {
		groups := c.groups(&c.in.Plan.Shards[i])
		e.Requests = e.Requests.Plus(estimate.Requests(groups, limits))
		least, most := estimate.TooLarge(groups, int64(job.Limits.MessageBytes))
		e.TooLarge.Least, e.TooLarge.Most = e.TooLarge.Least+least, e.TooLarge.Most+most
		total = estimate.Total(append(groups, total))
	}
	e.TooLarge.Counted = total.Counted
	level := c.served.Model.Level
	if rows := rowsOf(level, total); rows >= 0 && total.Rows > 0 {
		e.OutputBytes = estimate.Output(total.Rows, rows, len(todo), estimate.Form{
			Values: c.rowValues(), NodeColumns: len(graph.IDColumns(level)) - 1,
			TextGraphIDs: c.in.Plan.GraphIDs == graph.String, TextNodeIDs: c.in.Plan.NodeIDs == graph.String,
		})
	}
	return e
}

// rowValues is the number of values in a row: scores and embedding.
func (c *comparison) rowValues() int {
	return len(c.served.Model.Outputs) + c.served.Model.Embedding.Width
}

// rowsOf is the number of rows of scores of what is in a group, -1 where it is not known: of graphs, all have nodes.
func rowsOf(l graph.Level, g estimate.Group) int64 {
	switch l {
	case graph.EdgeLevel:
		return g.Edges
	case graph.GraphLevel:
		return g.Rows
	default:
		return g.Nodes
	}
}

// groups returns what the footers say of the row groups of a shard, in the sizes of requests.
func (c *comparison) groups(sh *readers.Shard) []estimate.Group {
	width := int64(c.contract.Width)
	groups := sh.Groups()
	out := make([]estimate.Group, len(groups))
	for i, g := range groups {
		e := estimate.Group{Rows: g.Rows, Nodes: -1, Edges: g.Edges, Bytes: g.Bytes}
		if g.Features >= 0 && g.Edges >= 0 && width > 0 && !c.misfit {
			e.Nodes, e.Counted = g.Features/width, g.Counted
			e.Bytes = max(c.shape(e).Bytes(), 4*rowsOf(c.served.Model.Level, e)*int64(c.rowValues()))
		}
		out[i] = e
	}
	return out
}

// shape is that of the requests of a group.
func (c *comparison) shape(g estimate.Group) graph.Shape {
	wanted := c.contract.Wanted()
	return graph.Shape{
		Graphs: g.Rows, Nodes: g.Nodes, Edges: g.Edges, Width: wanted.Width, Weighted: wanted.Weights && c.in.Plan.HasWeights,
		EdgeWidth: wanted.EdgeWidth, Typed: wanted.EdgeTypes > 0, GraphWidth: wanted.GraphWidth,
	}
}
