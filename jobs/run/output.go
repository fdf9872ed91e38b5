package run

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/verify"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// OutputInput is the input of an output that exists, planned with a shard for each row group.
type OutputInput struct {
	plan   *readers.Plan
	reader readers.Config              // how it was planned
	exists writers.Plan                // as far as it says which inputs do
	shards map[string][]*readers.Shard // by File.Rel, in order
	lacks  map[string]string           // by File.Rel, why a file cannot be read for the model of the output
}

var _ verify.Input = (*OutputInput)(nil)

// ReadOutputPlan plans the input as the run that made the output did: what the footers say of columns and limit is
// used where the job and the flags do not say. Errors are those of [Config.ReadPlan], or an *atomic.IOError of the output.
func (c Config) ReadOutputPlan(ctx context.Context) (*OutputInput, error) {
	reader := c.reader()
	reader.ShardBytes = 1 // a shard for each row group: parts are put together of these
	f, err := c.anyFooter(ctx, func(*part.Footer) bool { return true })
	if err != nil {
		return nil, err
	}
	if f != nil {
		if reader.Limit == 0 {
			reader.Limit = f.Settings.Limit
		}
		if reader.Columns == (graph.ColumnNames{}) {
			reader.Columns = graph.ColumnNamesOf(f.Settings.Columns)
		}
		if kind, _, ok := strings.Cut(f.Fingerprint, ":"); ok && (kind == readers.FingerprintFast || kind == readers.FingerprintFull) {
			reader.Fingerprint = kind
		}
	}
	in, err := c.readPlan(ctx, reader)
	if err != nil {
		return nil, err
	}
	if err := in.Missing(); err != nil {
		return nil, err
	}
	if err := in.keepIDTypes(ctx); err != nil {
		return nil, err
	}
	out := &OutputInput{plan: in.Plan, reader: reader, shards: map[string][]*readers.Shard{}, lacks: map[string]string{}}
	if f != nil {
		inputs := f.Settings.Inputs()
		last, err := LastEnded(c.Job.Output.Path) // settings do not say whether weights are needed
		if err != nil {
			return nil, err
		}
		inputs.NeedWeights = last != nil && last.Model.Inputs.EdgeWeightNeeded
		for file, why := range in.Plan.Lacking(inputs) {
			out.lacks[file.Rel] = why.Reason
		}
	}
	out.exists = writers.Plan{Inputs: in.Plan.Present(), Unseen: in.Plan.Unseen}
	for i := range in.Plan.Shards {
		s := &in.Plan.Shards[i]
		out.shards[s.File.Rel] = append(out.shards[s.File.Rel], s)
	}
	return out, nil
}

// keepIDTypes sets the types of ids to those that the parts of the planned files have, as [Input.Agree] does.
func (in *Input) keepIDTypes(ctx context.Context) error {
	planned := map[string]bool{}
	for _, f := range in.Plan.Files {
		planned[f.Rel] = true
	}
	f, err := in.anyFooter(ctx, func(f *part.Footer) bool { return planned[f.Input] })
	if f != nil && len(in.Plan.Refused) > 0 {
		in.Plan.Widen(f.Settings.IDTypes())
	}
	return err
}

// anyFooter is the first footer in an output that is wanted, nil where there is none. The error is an *atomic.IOError.
func (c Config) anyFooter(ctx context.Context, wanted func(*part.Footer) bool) (*part.Footer, error) {
	view := writers.NewView(c.Job.Output.Path)
	found, err := view.List(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the verification will say so
	}
	if err != nil {
		return nil, err
	}
	for _, name := range found.Parts {
		f, err := view.Footer(name)
		switch {
		case part.IsPartError(err), errors.Is(err, fs.ErrNotExist): // the verification will say so
		case err != nil:
			return nil, err
		case wanted(f):
			return f, nil
		}
	}
	return nil, nil
}

// Files lists what a run would read or refuse.
func (in *OutputInput) Files() []verify.File {
	var files []verify.File
	for _, f := range in.plan.Files {
		if s := in.shards[f.Rel]; len(s) > 0 { // none is beyond the limit
			files = append(files, verify.File{
				Input: f.Rel, Fingerprint: f.Fingerprint, Groups: s[len(s)-1].LastGroup + 1, Refused: in.lacks[f.Rel],
			})
		}
	}
	for _, f := range in.plan.Refused {
		files = append(files, verify.File{Input: f.Path, Refused: f.Reason})
	}
	return files
}

// Gone reports whether an input does not exist any more; it does not where nobody can say.
func (in *OutputInput) Gone(input string) bool { return !in.plan.Empty() && in.exists.Gone(input) }

// Open puts the row groups of a part together.
func (in *OutputInput) Open(ctx context.Context, l *part.Footer) (pipeline.Source, int64, error) {
	var whole *readers.Shard
	for _, s := range in.shards[l.Input] {
		if s.FirstGroup < l.FirstGroup || s.LastGroup > l.LastGroup {
			continue
		}
		if whole == nil {
			first := *s
			whole = &first
			continue
		}
		whole.LastGroup, whole.Rows, whole.Bytes = s.LastGroup, whole.Rows+s.Rows, whole.Bytes+s.Bytes
	}
	if whole == nil {
		return noSource{}, 0, nil
	}
	source, err := in.plan.Open(ctx, whole, wantedBy(*l.Settings))
	if err != nil {
		return nil, 0, err
	}
	return source, whole.Rows, nil
}

// wantedBy is what was read for a part.
func wantedBy(s part.Settings) readers.Wanted {
	level, err := s.ScoreLevel()
	return readers.Wanted{Width: s.FeatureWidth, Inputs: s.Inputs(), EdgeRows: err == nil && level == graph.EdgeLevel}
}

// Kinds are the types of the ids.
func (in *OutputInput) Kinds() (graphs, nodes graph.IDKind) { return in.plan.GraphIDs, in.plan.NodeIDs }

// noSource is that of row groups that the input does not have.
type noSource struct{}

func (noSource) Next(context.Context) (*graph.Batch, error) { return nil, io.EOF }
func (noSource) Close() error                               { return nil }

// VerifySample verifies an output against its input, and scores a share of its graphs again with a session of its own.
func (c Config) VerifySample(ctx context.Context, cfg verify.Config, share float64) (report *verify.Report, err error) {
	job := *c.Job
	job.Output.Embed = "" // that of the parts counts
	c.Job = &job
	s, err := Connect(ctx, c, 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	f, err := c.anyFooter(ctx, func(f *part.Footer) bool { return f.Settings.Embed != "" && f.Model == s.Model.Digest })
	if err != nil {
		return nil, err
	}
	if f != nil { // parts of another model are found to be that
		job.Output.Embed = f.Settings.Embed
		if err := s.embed(&job); err != nil {
			return nil, err
		}
	}
	cfg.Scoring = &verify.Scoring{
		Scorer: s.Patient(s.Scorer(s.Model.InFeatures), c, &pipeline.Progress{}),
		Model:  record.NewModel(&s.Model), Share: share, Embed: job.Output.Embed, RequestBytes: int64(c.Job.Limits.RequestBytes),
	}
	if remote.TraitsOf(c.Job.Server.Protocol).OneGraph {
		cfg.Scoring.RequestBytes = 1
	}
	err = s.Alive(ctx, func(ctx context.Context) (err error) {
		report, err = verify.Run(ctx, cfg)
		return err
	})
	return report, err
}
