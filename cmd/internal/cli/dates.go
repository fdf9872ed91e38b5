package cli

import (
	"errors"
	"fmt"

	"graphscore/jobs"
)

// onDate is the job of one date, that of --date or the last one that is over, and what the date is called. A job
// without {date} stays as it is and has none.
func (e *env) onDate(f *jobFlags, job *jobs.Job) (*jobs.Job, string, error) {
	calendar, err := job.Calendar()
	if err != nil {
		return nil, "", err
	}
	switch {
	case !job.Partitioned() && f.date != "":
		return nil, "", usagef("--date is given, but neither input.path nor output.path of the job has a {date}")
	case !job.Partitioned():
		return job, "", nil
	}
	date := calendar.Previous(e.now())
	if f.date != "" {
		if date, err = calendar.Parse(f.date); err != nil {
			return nil, "", usagef("--date: %v", err)
		}
		if !calendar.Exists(date) {
			return nil, "", usagef("--date: the clocks of %s never showed %s", calendar.Location, date)
		}
	}
	dated := job.On(date)
	return &dated, date.String(), nil
}

// withoutInput ends the run of a date that has no input. Nothing is written, not even _SUCCESS: what comes late
// must not count as done. A backfill skips such dates; else a gate may want graphs.
func (r *run) withoutInput() error {
	if r.part != nil {
		return nil
	}
	if r.flags.limit == 0 {
		r.gates = r.inputGates(0)
	}
	r.sayGates(r.gates)
	err := r.failedGates()
	fmt.Fprintf(r.stderr, "graphscore: %s has no input: nothing matches %s, nothing was done\n", r.date, inputText(r.job))
	if r.asJSON {
		err = errors.Join(err, r.record(err).Encode(r.stdout))
	}
	return err
}
