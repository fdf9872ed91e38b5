package run

import (
	"context"
	"errors"

	"graphscore/pipeline"
	"graphscore/readers"
	"graphscore/writers"
)

// withdraw removes the parts of files of which a shard has shown that all their graphs were read wrongly, those of
// earlier runs included. The shards count as refused then.
func (x *execution) withdraw(output *writers.Output) error {
	wrong := x.misread()
	if len(wrong) == 0 {
		return nil
	}
	for i := range x.in.Plan.Shards {
		sh := &x.in.Plan.Shards[i]
		if wrong[sh.File] == nil {
			continue
		}
		if err := output.Withdraw(sh.Part); err != nil {
			return err
		}
		if x.work.Footers[i] != nil {
			x.work.Footers[i] = nil
			x.work.todo = append(x.work.todo, i)
			x.result.Shards = append(x.result.Shards, pipeline.ShardResult{Name: sh.Part, Index: len(x.result.Shards)})
		}
	}
	x.result.Counts = pipeline.Counts{}
	for k := range x.result.Shards {
		s := &x.result.Shards[k]
		if err := wrong[x.in.Plan.Shards[x.work.todo[k]].File]; err != nil && s.Outcome != pipeline.Failed {
			s.Outcome, s.Err, s.Counts = pipeline.RefusedInput, err, pipeline.Counts{}
		}
		if s.Outcome == pipeline.Scored {
			x.result.Counts.Add(&s.Counts)
		}
	}
	return nil
}

// misread returns the files of which a shard has shown that all their graphs were read wrongly, and how.
func (x *execution) misread() map[*readers.File]error {
	wrong := map[*readers.File]error{}
	for k, s := range x.result.Shards {
		var file *readers.FileError
		if s.Outcome == pipeline.RefusedInput && errors.As(s.Err, &file) && file.Whole {
			wrong[x.in.Plan.Shards[x.work.todo[k]].File] = s.Err
		}
	}
	return wrong
}

// WarnUndecided logs which files do not say whether their edges are pairs, once they were read.
func (in *Input) WarnUndecided(ctx context.Context) {
	for _, f := range in.Plan.Undecided() {
		in.Log.WarnContext(ctx, "every graph of the file that has edges has two lists of two values: they are read as "+
			"sources and targets, and are wrong if they are pairs", "file", f.Path)
	}
}
