package run

import (
	"context"
	"errors"
	"io/fs"

	"graphscore/pipeline"
	"graphscore/readers"
	"graphscore/writers/record"
)

// made is what the record of a task says of a part.
type made struct {
	*record.Made
	by   *record.Attempt
	task record.Task
}

// readEarlier reads what earlier processes of the task have made. A record that cannot be read costs what it says of them,
// and nothing else.
func (x *execution) readEarlier(ctx context.Context) {
	rec, err := record.ReadTask(x.in.Job.Output.Path, *x.in.Task)
	switch {
	case err == nil:
		x.earlier = rec.Attempts
	case !errors.Is(err, fs.ErrNotExist):
		x.in.Log.WarnContext(ctx, "the earlier record of the shard is left out", "shard", x.in.Task.String(), "error", err)
	}
}

// attempts are those of the task: what earlier ones scored, where this one did not make it again and the plan still has the
// part with that input, and what this one did.
func (x *execution) attempts(rec *record.Run) []record.Attempt {
	planned := x.in.all().planned()
	own := record.NewAttempt(rec)
	for i := range rec.Shards {
		if s := &rec.Shards[i]; s.Outcome == string(pipeline.Scored) || s.Outcome == string(pipeline.RefusedInput) {
			own.Made = append(own.Made, record.Made{
				Part: s.Part, Fingerprint: planned.fingerprint(s.Part), Outcome: s.Outcome, Seconds: s.Seconds, Reason: s.Reason,
			})
			delete(planned, s.Part)
		}
	}
	var all []record.Attempt
	for _, a := range x.earlier {
		kept := []record.Made{}
		for _, m := range a.Made {
			if m.Outcome == string(pipeline.Scored) && m.Fingerprint == planned.fingerprint(m.Part) {
				kept = append(kept, m)
			}
		}
		if a.Made = kept; len(kept) > 0 {
			all = append(all, a)
		}
	}
	if len(own.Made) > 0 {
		all = append(all, own)
	}
	return all
}

// shards are those of a plan by their parts.
type shards map[string]*readers.Shard

// planned returns the shards of the plan.
func (in *Input) planned() shards {
	of := make(shards, len(in.Plan.Shards))
	for i := range in.Plan.Shards {
		of[in.Plan.Shards[i].Part] = &in.Plan.Shards[i]
	}
	return of
}

// fingerprint is that of the input of a part, "" of one that is not planned.
func (s shards) fingerprint(part string) string {
	if sh := s[part]; sh != nil {
		return sh.File.Fingerprint
	}
	return ""
}

// share replaces texts that the plan has as well by those of the plan: of many parts they are kept once.
func share(made []record.Made, planned shards) {
	for i := range made {
		m := &made[i]
		sh := planned[m.Part]
		if sh == nil {
			continue
		}
		m.Part = sh.Part
		if m.Fingerprint == sh.File.Fingerprint {
			m.Fingerprint = sh.File.Fingerprint
		}
		if m.Outcome == string(pipeline.Scored) {
			m.Outcome = string(pipeline.Scored)
		}
	}
}

// madeByTasks returns what the newest process that says something of a planned part says of it, by part. What is said of
// another content of the input does not count.
func (x *execution) madeByTasks(planned shards) map[string]made {
	newest := map[string]made{}
	for _, t := range x.tasks {
		for i := range t.Attempts {
			by := &t.Attempts[i]
			for k := range by.Made {
				m := &by.Made[k]
				if had, ok := newest[m.Part]; m.Fingerprint == planned.fingerprint(m.Part) && (!ok || had.by.RunID <= by.RunID) {
					newest[m.Part] = made{m, by, t.Task}
				}
			}
		}
	}
	return newest
}

// scoredByTask returns what is known of the part at a place of the plan that exists and that a task has made. ok is false
// for any other.
func (x *execution) scoredByTask(place int) (m made, ok bool) {
	m, ok = x.made[x.in.Plan.Shards[place].Part]
	return m, ok && m.Outcome == string(pipeline.Scored) && x.work.Footers[place] != nil
}
