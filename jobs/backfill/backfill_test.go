package backfill

import (
	"errors"
	"testing"

	"graphscore/jobs/run"
	"graphscore/writers"
)

// The code of a backfill is that of its first failed date in the order of the calendar.
func TestBackfillOutcome(t *testing.T) {
	t.Parallel()
	date := func(outcome string, code int) Date {
		return Date{DateRecord: writers.DateRecord{Outcome: outcome, ExitCode: code}}
	}
	for _, test := range []struct {
		name  string
		dates []Date
		want  int
		said  bool
	}{
		{"all well", []Date{date(writers.DateScored, 0), date(writers.DateNoInput, 0), date(writers.DateNotSelected, 0)}, 0, true},
		{"some graphs", []Date{date(writers.DateScored, 0), date(writers.DateScored, 3)}, 3, true},
		{"some graphs of before", []Date{date(writers.DateDone, 3), date(writers.DateScored, 0)}, 3, true},
		{"the first failure", []Date{date(writers.DateScored, 3), date(writers.DateFailed, 75), date(writers.DateFailed, 65)}, 75, false},
		{"a gate", []Date{date(writers.DateFailed, 4), date(writers.DateFailed, 78)}, 4, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := (&Backfill{dates: test.dates}).outcome()
			var e *run.OutcomeError
			if got := run.ExitCode(err); got != test.want || errors.As(err, &e) && e.Said != test.said {
				t.Errorf("exit code %d of %+v, expected %d", got, err, test.want)
			}
		})
	}
}
