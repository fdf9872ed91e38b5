package cli

import (
	"context"
	"encoding/json"
	"io"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/verify"
	"graphscore/readers"
	"graphscore/writers/part"
)

// verifyInput gives the input of an output, planned with a shard for each row group.
type verifyInput struct {
	plan   *readers.Plan
	shards map[string][]*readers.Shard // by File.Rel, in order
}

func newVerifyInput(plan *readers.Plan) *verifyInput {
	in := &verifyInput{plan: plan, shards: map[string][]*readers.Shard{}}
	for i := range plan.Shards {
		s := &plan.Shards[i]
		in.shards[s.File.Rel] = append(in.shards[s.File.Rel], s)
	}
	return in
}

// Files lists what a run would read or refuse.
func (in *verifyInput) Files() []verify.File {
	var files []verify.File
	for _, f := range in.plan.Files {
		if s := in.shards[f.Rel]; len(s) > 0 { // none is beyond the limit
			files = append(files, verify.File{Input: f.Rel, Fingerprint: f.Fingerprint, Groups: s[len(s)-1].LastGroup + 1})
		}
	}
	for _, f := range in.plan.Refused {
		files = append(files, verify.File{Input: f.Path, Refused: f.Reason})
	}
	return files
}

// Open puts the row groups of a part together.
func (in *verifyInput) Open(ctx context.Context, l *part.Footer) (pipeline.Source, int64, error) {
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
	source, err := in.plan.Open(ctx, whole, l.Settings.FeatureWidth)
	if err != nil {
		return nil, 0, err
	}
	return source, whole.Rows, nil
}

// Kinds are the types of the ids.
func (in *verifyInput) Kinds() (graphs, nodes graph.IDKind) { return in.plan.GraphIDs, in.plan.NodeIDs }

// noSource is that of row groups that the input does not have.
type noSource struct{}

func (noSource) Next(context.Context) (*graph.Batch, error) { return nil, io.EOF }
func (noSource) Close() error                               { return nil }

// printJSON writes v as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
