package submit

import (
	"context"
	"errors"

	"graphscore/jobs/run"
	"graphscore/writers"
	"graphscore/writers/record"
)

// Status is how far an output is that shards fill, by its footers, its locks and the engine.
type Status struct {
	Name   string `json:"name"`
	Output string `json:"output"`
	// Parts exist and match, of OfParts that are planned; Graphs are in them, of OfGraphs.
	Parts    int   `json:"parts"`
	OfParts  int   `json:"of_parts"`
	Graphs   int64 `json:"graphs"`
	OfGraphs int64 `json:"of_graphs"`
	// Success: the output has its _SUCCESS.
	Success bool `json:"success"`
	// Held says who is at work on the output by its locks, "" for nobody.
	Held string `json:"held"`
	// SubmitID, Engine and Shards are of the newest submission, and Followed whether it has not ended. They are "" and 0
	// where there is none.
	SubmitID string `json:"submit_id"`
	Engine   string `json:"engine"`
	Shards   int    `json:"shards"`
	Followed bool   `json:"unfinished"`
	// Lacking are the shards that lack parts, of as many as the submission has.
	Lacking []int `json:"lacking"`
	// Waiting and Running are the tasks of the submission's last round, by the engine. Unknown says why it did not answer.
	Waiting int    `json:"waiting"`
	Running int    `json:"running"`
	Unknown string `json:"engine_error"`
	// Failed are the shards that the submission has given up.
	Failed []record.FailedShard `json:"failed"`
}

// StatusOf looks at an output and asks the engine of its submission. It changes nothing. Parts of something else are a
// *writers.MismatchError; other errors are those of [run.Prepare] and [run.DescribeParts].
func StatusOf(ctx context.Context, cfg run.Config, engine Engine) (*Status, error) {
	view := writers.NewView(cfg.Job.Output.Path)
	s := &Status{Name: cfg.Job.Name, Output: cfg.Job.Output.Path, Lacking: []int{}, Failed: []record.FailedShard{}}
	rec, err := newest(cfg.Job.Output.Path)
	if err != nil {
		return nil, err
	}
	if rec != nil && rec.Finished == "" {
		cfg.PlanFile = rec.Plan
	}
	cfg.Unconfirmed = true
	in, err := run.Prepare(ctx, cfg)
	if err == nil {
		err = in.Missing()
	}
	if err != nil {
		return nil, err
	}
	served, err := run.DescribeParts(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.count(ctx, in, served); err != nil {
		return nil, err
	}
	if s.Success, err = view.Succeeded(); err != nil {
		return nil, err
	}
	var held *writers.LockedError
	if err := view.CheckFree(); errors.As(err, &held) {
		s.Held = held.Holder()
	} else if err != nil {
		return nil, err
	}
	if rec == nil {
		return s, nil
	}
	if s.Lacking, err = in.Pending(ctx, served, rec.Shards, rec.Balance); err != nil {
		return nil, err
	}
	return s, s.ask(ctx, rec, engine)
}

// newest is the record of the newest submission, nil where there is none.
func newest(dir string) (*record.Submission, error) {
	files, err := record.ListSubmissions(dir)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	return record.ReadSubmission(files[0])
}

// count counts the parts that exist.
func (s *Status) count(ctx context.Context, in *run.Input, served run.Served) error {
	exists, err := in.Existing(ctx, served)
	if err != nil {
		return err
	}
	for i := range in.Plan.Shards {
		rows := in.Plan.Shards[i].Rows
		s.OfParts, s.OfGraphs = s.OfParts+1, s.OfGraphs+rows
		if exists[i] {
			s.Parts, s.Graphs = s.Parts+1, s.Graphs+rows
		}
	}
	return nil
}

// ask asks the engine about the last round of a submission. An engine that does not answer is said.
func (s *Status) ask(ctx context.Context, rec *record.Submission, engine Engine) error {
	s.SubmitID, s.Engine, s.Shards, s.Followed = rec.SubmitID, rec.Engine, rec.Shards, rec.Finished == ""
	s.Failed = rec.Complete().Failed
	if !s.Followed || len(rec.Rounds) == 0 {
		return nil
	}
	var ids []string
	for _, a := range rec.Rounds[len(rec.Rounds)-1].Arrays {
		if a.ID != "" {
			ids = append(ids, a.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	tasks, err := engine.Tasks(ctx, ids)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.Unknown = err.Error()
		return nil
	}
	for _, t := range tasks {
		switch t.State {
		case Waiting:
			s.Waiting++
		case Running:
			s.Running++
		}
	}
	return nil
}
