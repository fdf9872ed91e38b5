package backfill

import (
	"errors"
	"testing"

	"graphscore/jobs/run"
	"graphscore/writers/record"
)

// The code of a backfill is that of its first failed date in the order of the calendar.
func TestBackfillOutcome(t *testing.T) {
	t.Parallel()
	date := func(outcome string, code int) Date {
		return Date{BackfillDate: record.BackfillDate{Outcome: outcome, ExitCode: code}}
	}
	for _, test := range []struct {
		name  string
		dates []Date
		want  int
		said  bool
	}{
		{"all well", []Date{date(record.DateScored, 0), date(record.DateNoInput, 0), date(record.DateNotSelected, 0)}, 0, true},
		{"some graphs", []Date{date(record.DateScored, 0), date(record.DateScored, 3)}, 3, true},
		{"some graphs of before", []Date{date(record.DateDone, 3), date(record.DateScored, 0)}, 3, true},
		{"the first failure", []Date{date(record.DateScored, 3), date(record.DateFailed, 75), date(record.DateFailed, 65)}, 75, false},
		{"a gate", []Date{date(record.DateFailed, 4), date(record.DateFailed, 78)}, 4, true},
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
