package submit

import (
	"context"
	"errors"
	"slices"

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
	rec, err := newest(cfg)
	if err != nil {
		return nil, err
	}
	if rec != nil && rec.Finished == "" {
		cfg.PlanFile = rec.PlanOf(cfg.Date)
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
	exists, err := in.Existing(ctx, served)
	if err != nil {
		return nil, err
	}
	s.count(in, exists)
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
	s.Lacking = in.Lacking(exists, rec.Shards, rec.Balance)
	return s, s.ask(ctx, rec, cfg.Date, engine)
}

// newest is the record of the newest submission that has the output, alone or among those of other dates; nil where there is
// none.
func newest(cfg run.Config) (*record.Submission, error) {
	var alone record.Submissions
	rec, err := newestOf(alone, cfg.Job.Output.Path, "")
	if err != nil || !cfg.Dated() {
		return rec, err
	}
	all, above := cfg.DatesSubmissions()
	among, err := newestOf(all, above, cfg.Date)
	if err != nil || rec != nil && (among == nil || among.SubmitID < rec.SubmitID) {
		return rec, err
	}
	return among, nil
}

// newestOf is the newest of some records that has the date, or with "" the newest.
func newestOf(all record.Submissions, dir, date string) (*record.Submission, error) {
	files, err := all.List(dir)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		rec, err := record.ReadSubmission(file)
		if err != nil || date == "" || slices.Contains(rec.Dates, date) {
			return rec, err
		}
	}
	return nil, err
}

// count counts the parts that exist.
func (s *Status) count(in *run.Input, exists []bool) {
	for i := range in.Plan.Shards {
		rows := in.Plan.Shards[i].Rows
		s.OfParts, s.OfGraphs = s.OfParts+1, s.OfGraphs+rows
		if exists[i] {
			s.Parts, s.Graphs = s.Parts+1, s.Graphs+rows
		}
	}
}

// ask asks the engine about the last round of a submission. Of several dates the tasks and shards of one count. An engine
// that does not answer is said.
func (s *Status) ask(ctx context.Context, rec *record.Submission, date string, engine Engine) error {
	s.SubmitID, s.Engine, s.Shards, s.Followed = rec.SubmitID, rec.Engine, rec.Shards, rec.Finished == ""
	for _, failed := range rec.Failed {
		if len(rec.Dates) == 0 || failed.Date == date {
			s.Failed = append(s.Failed, failed)
		}
	}
	if !s.Followed {
		return nil
	}
	last := &Submission{Engine: engine, Record: rec} // nothing of it is saved
	_, tasks, err := last.ask(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.Unknown = err.Error()
		return nil
	}
	if len(tasks) == 0 {
		return nil
	}
	offsets := map[string]int{} // of the arrays, by id
	for _, a := range last.last().Arrays {
		offsets[a.ID] = a.Offset
	}
	place := max(slices.Index(rec.Dates, date), 0)
	for _, t := range tasks {
		if (offsets[t.ArrayID]+t.Index)/rec.Shards != place {
			continue
		}
		switch t.State {
		case Waiting:
			s.Waiting++
		case Running:
			s.Running++
		}
	}
	return nil
}
