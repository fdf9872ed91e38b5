package jobs_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/jobs"
)

// A folder of an hour or a day that the wall clock leaves out exists, but no run reads it: it is named.
func TestFoldersOfNoDateAreNamed(t *testing.T) {
	t.Parallel()
	berlin, samoa := zone(t, "Europe/Berlin"), zone(t, "Pacific/Apia")
	dir := t.TempDir()
	for _, name := range []string{
		"dt=2026-03-29/hour=01", "dt=2026-03-29/hour=02", "dt=2026-03-29/hour=03", "dt=2026-03-28/hour=02",
		"a/2026-03-29T02", "b/2026-03-29T02", "b/2026-03-29T03", "day/2011-12-29", "day/2011-12-30", "day/2011-12-31",
	} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		path         string
		calendar     jobs.Calendar
		since, until string
		want         []string
	}{
		"hour":           {"dt={date}/hour={date:15}", jobs.Calendar{Unit: jobs.Hour, Location: berlin}, "2026-03-28", "2026-03-30", []string{"dt=2026-03-29/hour=02"}},
		"below it":       {"dt={date}/hour={date:15}/**/*.parquet", jobs.Calendar{Unit: jobs.Hour, Location: berlin}, "2026-03-28", "2026-03-30", []string{"dt=2026-03-29/hour=02"}},
		"several":        {"*/{date:2006-01-02T15}/*.parquet", jobs.Calendar{Unit: jobs.Hour, Location: berlin}, "2026-03-28", "2026-03-30", []string{"a/2026-03-29T02", "b/2026-03-29T02"}},
		"in UTC":         {"dt={date}/hour={date:15}", jobs.Calendar{Unit: jobs.Hour}, "2026-03-28", "2026-03-30", nil},
		"before it":      {"dt={date}/hour={date:15}", jobs.Calendar{Unit: jobs.Hour, Location: berlin}, "2026-03-28", "2026-03-29", nil},
		"none there":     {"absent/{date:2006-01-02T15}", jobs.Calendar{Unit: jobs.Hour, Location: berlin}, "2026-03-28", "2026-03-30", nil},
		"day":            {"day/{date}", jobs.Calendar{Location: samoa}, "2011-12-29", "2012-01-02", []string{"day/2011-12-30"}},
		"without a date": {"day", jobs.Calendar{Location: samoa}, "2011-12-29", "2012-01-02", nil},
	} {
		job := jobs.Job{Input: jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, test.path)}}}}
		since, err := test.calendar.Parse(test.since, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		until, err := test.calendar.Parse(test.until, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, name := range test.want {
			want = append(want, filepath.Join(dir, name))
		}
		if diff := cmp.Diff(want, job.NoDates(test.calendar, since, until)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	job := jobs.Job{Input: jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, "dt={date}/hour={date:15}")}}}}
	calendar := jobs.Calendar{Unit: jobs.Hour, Location: berlin}
	for text, want := range map[string]int{"2026-03-29T03": 1, "2026-03-29T04": 0, "2026-03-29T01": 0} {
		d, err := calendar.Parse(text, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if found := job.NoDatesBefore(calendar, d); len(found) != want {
			t.Errorf("%s: %v", text, found)
		}
	}
}
