package run

import (
	"cmp"
	"context"
	"fmt"

	"graphscore/jobs"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/part"
)

// scoringVersion changes with what makes other scores on one machine, but is in no other setting: a raise refuses the
// parts of every older output. It was not raised when the edges of a node beyond 256 came to be added in float64:
// graphs without such a node kept every byte, and the others only lost an error of rounding.
const scoringVersion = 1

// Contract is what input, model and existing parts agree on. It decides every byte of the parts.
type Contract struct {
	in     *Input
	served Served
	// Width is the number of features of a node.
	Width int
	// Settings are those that the footer of every part has.
	Settings part.Settings
}

// Agree settles the types of ids and the settings of the parts. existing are the types of ids in the parts that
// exist, Int64 where there are none: where a file is refused they say which type its ids had, or one bad file among
// many would change the columns of all others.
func (in *Input) Agree(served Served, width int, existing IDTypes) *Contract {
	if len(in.Plan.Refused) > 0 {
		in.Plan.Widen(existing.Graphs, existing.Nodes)
	}
	settings := part.Settings{
		Columns: in.Job.Input.Columns.Map(), Layout: in.Plan.Layout, Protocol: in.Job.Server.Protocol, Limit: in.Limit,
		MessageBytes: served.MessageBytes, FeatureWidth: width,
		GraphID: in.Plan.GraphIDs.String(), NodeID: in.Plan.NodeIDs.String(),
		Outputs: served.Model.Outputs, ScoringVersion: scoringVersion, Embed: in.Job.Output.Embed,
	}
	return &Contract{in: in, served: served, Width: width, Settings: settings.OfModel(&served.Model)}
}

// Wanted is what readers read of the input.
func (c *Contract) Wanted() readers.Wanted { return c.served.Wanted(c.Width) }

// IDTypes are the types of the ids of graphs and nodes.
type IDTypes struct{ Graphs, Nodes graph.IDKind }

// Compare agrees with the parts that exist in the output, and compares the plan with them. It takes no lock and
// changes nothing.
func (in *Input) Compare(ctx context.Context, served Served, width int) (*Contract, *writers.Comparison, error) {
	view := in.view()
	graphs, nodes, err := view.ExistingIDTypes(in.parts())
	if err != nil {
		return nil, nil, err
	}
	c := in.Agree(served, width, IDTypes{graphs, nodes})
	found, err := writers.Compare(ctx, writers.Config{Dir: view.Dir(), Log: in.Log}, c.Plan())
	return c, found, err
}

func (in *Input) view() writers.View { return writers.NewView(in.Job.Output.Path) }

// Stale compares the parts of an output with what they would be made from now. It reports whether some do not match, are
// not whole, would be made again or removed, or whether an output with _SUCCESS lacks some.
func (in *Input) Stale(ctx context.Context, served Served, success bool) (bool, error) {
	width, err := in.Fit(ctx, served, 0)
	if err != nil {
		return false, err
	}
	_, found, err := in.Compare(ctx, served, width)
	if err != nil {
		return false, err
	}
	for _, d := range found.Decisions {
		if d == writers.Redo || d == writers.Renew || d == writers.Retry || d == writers.Score && success {
			return true, nil
		}
	}
	return len(found.Mismatches)+len(found.Superseded)+len(found.Prunable) > 0, nil
}

// parts are the names of the planned parts.
func (in *Input) parts() []string {
	parts := make([]string, len(in.Plan.Shards))
	for i := range parts {
		parts[i] = in.Plan.Shards[i].Part
	}
	return parts
}

// agreed is false for the empty contract of a run that ended before it.
func (c *Contract) agreed() bool { return c.in != nil }

// Contents says what the parts hold.
func (c *Contract) Contents() part.Contents {
	return part.Contents{
		Settings: c.Settings, GraphIDs: c.in.Plan.GraphIDs, NodeIDs: c.in.Plan.NodeIDs,
		Level: c.served.Model.Level, Outputs: c.served.Model.Outputs, Embedding: c.served.Model.Embedding.Width,
	}
}

// Plan says what the run wants the output to hold.
func (c *Contract) Plan() writers.Plan {
	w := c.specsOnly()
	w.SpecsOnly, w.Inputs = false, c.in.Plan.Present()
	if c.in.whole != nil {
		w.Beside = c.beside(w.Specs)
	}
	return w
}

// specsOnly is Plan for a look at the planned parts alone.
func (c *Contract) specsOnly() writers.Plan {
	plan := c.in.Plan
	w := writers.Plan{
		Contents: c.Contents(), Specs: c.Specs(), SpecsOnly: true, Rescore: c.in.Job.OnChange == "rescore",
		Unseen: plan.Unseen, Absent: plan.Absent, Incomplete: len(plan.Refused)+len(plan.LeftOut.Unfinished) > 0,
		OnOrphan: onOrphan(c.in.Job.OnOrphan), Retry: c.in.retry(c.served),
	}
	if c.in.Task != nil || c.in.Finish { // they replace no part
		w.Rescore, w.Retry = false, nil
	}
	if c.in.fixed != nil && w.OnOrphan == writers.PruneOrphans { // the plan does not know what input came after it
		w.OnOrphan = writers.KeepOrphans
	}
	return w
}

// beside has one entry for each shard of the other tasks.
func (c *Contract) beside(own []part.Spec) []part.Spec {
	mine := make(map[string]bool, len(own))
	for i := range own {
		mine[own[i].Part] = true
	}
	var others []part.Spec
	shards := c.in.whole.Plan.Shards
	for i := range shards {
		if !mine[shards[i].Part] {
			others = append(others, c.Spec(&shards[i]))
		}
	}
	return others
}

func onOrphan(value string) writers.OnOrphan {
	switch value {
	case jobs.OrphanRefuse:
		return writers.RefuseOrphans
	case jobs.OrphanPrune:
		return writers.PruneOrphans
	default:
		return writers.KeepOrphans
	}
}

// Specs has one entry for each planned shard.
func (c *Contract) Specs() []part.Spec {
	specs := make([]part.Spec, len(c.in.Plan.Shards))
	for i := range specs {
		specs[i] = c.Spec(&c.in.Plan.Shards[i])
	}
	return specs
}

// Spec is what the part of a shard is made from.
func (c *Contract) Spec(sh *readers.Shard) part.Spec {
	return part.Spec{
		Part: sh.Part, Input: sh.File.Rel, Fingerprint: sh.File.Fingerprint,
		FirstGroup: sh.FirstGroup, LastGroup: sh.LastGroup, Rows: sh.Rows, Model: c.served.Model.Digest,
	}
}

// Fit compares the model with the data and returns the number of features of a node: where the first graphs of no
// file have the widths that the model expects, or no file has the columns that it reads, the model is the wrong one, a
// *Misfit. Where some files have, the others are refused, or are bad graphs among others. At most files are looked at, all of them where it is 0. For a protocol
// that cannot describe its model, the first graph decides.
func (in *Input) Fit(ctx context.Context, served Served, files int) (width int, err error) {
	width, begun, err := in.fit(ctx, served, files)
	begun.Close()
	return width, err
}

// fit is [Input.Fit], and returns the shard whose first graphs fit, nil where there is none. The caller opens or closes it.
func (in *Input) fit(ctx context.Context, served Served, files int) (width int, begun *readers.Begun, err error) {
	model := &served.Model
	if width = model.InFeatures; width == 0 {
		width, err = in.Plan.Width(ctx)
		return width, nil, err
	}
	var misfit Misfit
	wanted := served.Wanted(width)
	if err := in.lack(model, wanted.Inputs); err != nil {
		return width, nil, err
	}
	for i := range in.Plan.Shards {
		sh := &in.Plan.Shards[i]
		if i > 0 && sh.File == in.Plan.Shards[i-1].File {
			continue
		}
		if misfit.Files++; files > 0 && misfit.Files > files {
			misfit.Files, misfit.More = files, true
			break
		}
		rejected, begun := in.firstGraphs(ctx, sh, wanted)
		if begun != nil {
			return width, begun, nil
		}
		if rejected != nil && misfit.Mistake.Reason == "" {
			column, _ := misfitting(rejected.Code)
			in.misfits(&misfit, model, fmt.Sprintf("row %d of %s: %s; choose another model, or map input.columns.%s (--column %s=NAME)",
				rejected.Row, sh.File.Path, rejected.Message, column, column))
		}
	}
	if misfit.Mistake.Reason == "" {
		return width, nil, nil
	}
	return width, nil, &misfit
}

// lack returns a *Misfit where all files lack what a model reads.
func (in *Input) lack(model *graph.Model, inputs graph.Inputs) error {
	var misfit Misfit
	for _, why := range in.Plan.Lacking(inputs) {
		if misfit.Files++; misfit.Files == 1 {
			in.misfits(&misfit, model, why.Error())
		}
	}
	if misfit.Files == 0 || misfit.Files < len(in.Plan.Files) {
		return nil
	}
	return &misfit
}

// misfits says why a model does not fit the data.
func (in *Input) misfits(m *Misfit, model *graph.Model, why string) {
	m.Mistake.Path = cmp.Or(in.Job.Path, "--model")
	m.Mistake.Reason = fmt.Sprintf("the model %s does not fit the data: %s", model.Name, why)
}

// misfitting returns the column that has another width than the model wants in graphs with a code; ok is false for other
// codes.
func misfitting(code graph.Code) (c graph.InputColumn, ok bool) {
	switch code {
	case graph.FeatureWidth:
		return graph.InputFeatures, true
	case graph.EdgeFeatureWidth:
		return graph.InputEdgeAttr, true
	case graph.GraphFeatureWidth:
		return graph.InputGraphAttr, true
	}
	return c, false
}

// Misfit is a model that fits none of the files that were looked at.
type Misfit struct {
	// Mistake is in the job, and names the first row that does not fit.
	Mistake jobs.Error
	// Files is how many were looked at; More is true where there are others.
	Files int
	More  bool
}

func (m *Misfit) Error() string { return m.Mistake.Error() }

// Unwrap returns the mistake in the job.
func (m *Misfit) Unwrap() error { return &m.Mistake }

// firstGraphs looks whether one of the first graphs of a shard fits the model, and returns the shard then. If all that there
// are have another width, it returns the first; it returns neither where the shard does not say.
func (in *Input) firstGraphs(ctx context.Context, sh *readers.Shard, wanted readers.Wanted) (misfit *graph.Rejection, begun *readers.Begun) {
	begun, err := in.Plan.Begin(ctx, sh, wanted)
	if err != nil {
		return nil, nil // the run will say so, for this file alone
	}
	b := begun.First()
	if b.Nodes() > 0 {
		return nil, begun
	}
	begun.Close()
	for i := range b.Rejected { // graphs without nodes, and those that are bad in other ways, say nothing
		if _, is := misfitting(b.Rejected[i].Code); is {
			return &b.Rejected[i], nil
		}
	}
	return nil, nil
}
