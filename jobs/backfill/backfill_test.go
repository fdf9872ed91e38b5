package backfill

import (
	"errors"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/jobs/submit"
	"graphscore/writers/record"
)

// The code of a backfill is that of its first failed date in the order of the calendar; that another try is due is not
// what it says where something is wrong.
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
		{"the first failure", []Date{date(record.DateScored, 3), date(record.DateFailed, 69), date(record.DateFailed, 65)}, 69, false},
		{"another try and a failure", []Date{date(record.DateFailed, 75), date(record.DateFailed, 65), date(record.DateFailed, 78)}, 65, false},
		{"another try", []Date{date(record.DateFailed, 75), date(record.DateScored, 3), date(record.DateFailed, 75)}, 75, false},
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

// A date of which shards were given up ends with the code of the one that decides, and names it.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	shard := func(date string, number, code int) record.FailedShard {
		return record.FailedShard{Date: date, Shard: number, ExitCode: code}
	}
	for _, test := range []struct {
		name   string
		failed []record.FailedShard
		want   int
		says   string
	}{
		{"a file before a mistake", []record.FailedShard{shard("a", 0, 3), shard("a", 1, 78)}, 78, "shard 1 ended with exit code 78, and 1 shard more"},
		{"what passes before a mistake", []record.FailedShard{shard("a", 0, 75), shard("a", 1, 137), shard("a", 2, 76)}, 76, "shard 2 ended with exit code 76, and 2 shards more"},
		{"a machine before a disk", []record.FailedShard{shard("a", 0, submit.LostNode), shard("a", 1, 3), shard("a", 2, 74)}, 74, "shard 2 ended with exit code 74, and 2 shards more"},
		{"a file and a machine", []record.FailedShard{shard("a", 0, 3), shard("a", 4, 137)}, 69, "shard 4 ended with exit code 137, and 1 shard more"},
		{"a file", []record.FailedShard{shard("a", 0, 3)}, 3, "shard 0 ended with exit code 3"},
		{"another date", []record.FailedShard{shard("b", 0, 78), shard("a", 0, 69)}, 69, "shard 0 ended with exit code 69"},
		{"none", nil, 74, "1 part does not exist: they were removed, or their input came, after the plan was made; the same command makes them"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := &Backfill{submit: &record.Submission{Failed: test.failed}}
			err := b.given("a", errors.New("1 part does not exist"))
			if got := run.ExitCode(err); got != test.want || err.Error() != test.says {
				t.Errorf("%d, %v: expected %d, %s", got, err, test.want, test.says)
			}
		})
	}
}

// A window that moves with the clock and ends now is the night of a job.
func TestNightly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 4, 17, 0, 0, time.UTC)
	for _, test := range []struct {
		since, until, only string
		unit               jobs.Unit
		timezone           string
		want               bool
	}{
		{"7 days ago", "", OnlyMissing, "", "", true},
		{"2 Weeks ago", "", OnlyAll, "", "", true},
		{"yesterday", "today", OnlyMissing, "", "", true},
		{"yesterday", "0 days ago", OnlyMissing, "", "", true},
		{"48 hours ago", "0 hours ago", OnlyMissing, jobs.Hour, "", true},
		{"48 hours ago", "today", OnlyMissing, jobs.Hour, "", false}, // which is midnight
		{"8 weeks ago", "", OnlyMissing, jobs.Week, "Europe/Berlin", true},
		{"7 days ago", "", OnlyMissing, "", "Nowhere/At_All", true}, // and will not run
		{"14 days ago", "7 days ago", OnlyMissing, "", "", false},
		{"7 days ago", "2026-11-27", OnlyMissing, "", "", false},
		{"7 days ago", "soon", OnlyMissing, "", "", false},
		{"2026-11-20", "", OnlyMissing, "", "", false},
		{"7 moons ago", "", OnlyMissing, "", "", false},
		{"", "", OnlyMissing, "", "", false},
		{"7 days ago", "", OnlyFailed, "", "", false},
		{"7 days ago", "", OnlyStale, "", "", false},
	} {
		cfg := Config{Since: test.since, Until: test.until, Only: test.only, Run: run.Config{
			Job: &jobs.Job{
				Partition: test.unit, Timezone: test.timezone,
				Input: jobs.Input{Path: jobs.Paths{{Path: "in/{date}"}}}, Output: jobs.Output{Path: "out/{date}"},
			},
			Now: func() time.Time { return now },
		}}
		if test.unit == jobs.Hour {
			cfg.Run.Job.Input.Path[0].Path, cfg.Run.Job.Output.Path = "in/{date:2006-01-02T15}", "out/{date:2006-01-02T15}"
		}
		if got := cfg.Nightly(); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
