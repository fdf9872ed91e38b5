package jobs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/jobs"
)

func partitioned(unit jobs.Unit, output string, inputs ...string) jobs.Job {
	j := jobs.Job{Path: "job.yaml", Output: jobs.Output{Path: output}, Model: jobs.Model{Path: "model"}, Partition: unit}
	for i, in := range inputs {
		j.Input.Path = append(j.Input.Path, jobs.Path{Name: string(rune('a' + i)), Path: in})
	}
	return j.WithDefaults()
}

func TestOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unit                 jobs.Unit
		input, output, date  string
		wantInput, wantOuput string
		above                string
	}{
		"Hive":         {"", "data/dt={date}/*.parquet", "out/dt={date}", "2024-02-29", "data/dt=2024-02-29/*.parquet", "out/dt=2024-02-29", "out"},
		"layout":       {jobs.Day, "data/{date:2006/01/02}", "/srv/out/{date:2006/01}/x/{date:02}", "2025-12-31", "data/2025/12/31", "/srv/out/2025/12/x/31", "/srv/out"},
		"glob":         {jobs.Day, "data/{a,b}/{date}/{c,{date:06}}.{parquet,arrow}", "{date}", "2026-01-02", "data/{a,b}/2026-01-02/{c,26}.{parquet,arrow}", "2026-01-02", "."},
		"hours":        {jobs.Hour, "in/{date}/{date:15}", "out/dt={date}/hour={date:15}", "2026-01-02T07", "in/2026-01-02/07", "out/dt=2026-01-02/hour=07", "out"},
		"week":         {jobs.Week, "in/{date}", "/{date}", "2026-01-01", "in/2025-12-29", "/2025-12-29", "/"},
		"month":        {jobs.Month, "in/{date:2006-01}", "a/b-{date:Jan 2006}/c", "2026-05", "in/2026-05", "a/b-May 2026/c", "a"},
		"output alone": {jobs.Day, "in", "out/{date}", "2026-05-01", "in", "out/2026-05-01", "out"},
		"input alone":  {jobs.Day, "in/{date}", "out", "2026-05-01", "in/2026-05-01", "out", "out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := partitioned(test.unit, test.output, test.input)
			if err := j.Validate(); err != nil {
				t.Fatal(err)
			}
			c, err := j.Calendar()
			if err != nil {
				t.Fatal(err)
			}
			on := j.On(parse(t, c, test.date))
			want := [3]string{test.wantInput, test.wantOuput, test.above}
			if diff := cmp.Diff(want, [3]string{on.Input.Path[0].Path, on.Output.Path, j.Above()}); diff != "" {
				t.Error(diff)
			}
			if on.Input.Path[0].Dated != j.InputDated() || !j.Partitioned() || on.Partitioned() || j.Input.Path[0].Path != test.input {
				t.Errorf("the job of a date is %+v of %+v", on, j)
			}
			if err := on.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		job  jobs.Job
		want string
	}{
		"unknown in output":   {partitioned("", "out/{day}", "in/{date}"), "output.path has the unknown placeholder {day}: write {date}"},
		"unknown in input":    {partitioned("", "out/{date}", "in/{foo}/{date}"), "input.path has the unknown placeholder {foo}"},
		"unknown in a list":   {partitioned("", "out/{date}", "in/{date}", "in/{Date}"), "input.path[1] has the unknown placeholder {Date}"},
		"unknown in a group":  {partitioned("", "out/{date}", "in/{a,{ds}}"), "{ds}"},
		"mistyped everywhere": {partitioned("", "out/dt={dat}", "in/dt={date_}"), "{date_}"},
		"other tools":         {partitioned("", "out", "in/{%Y-%m-%d}"), "{%Y-%m-%d}"},
		"empty":               {partitioned("", "out/{date}", "in/{}"), "{}"},
		"no date in a layout": {partitioned("", "out/{date:YYYY-MM-DD}", "in"), "output.path: {date:YYYY-MM-DD} is the same for every date: write the layout as Go does"},
		"empty layout":        {partitioned("", "out/{date}", "in/{date:}"), "input.path: {date:} is the same for every date"},
		"zone in a layout":    {partitioned("", "out/{date:2006-01-02 MST}", "in"), "names a time zone"},
		"offset in a layout":  {partitioned("", "out/{date}", "in/{date:2006-01-02Z07:00}"), "names a time zone"},
		"hours in one folder": {partitioned(jobs.Hour, "out/{date}", "in/{date}"), "output.path out/{date} is the same for one hour and the next: name all of it, as in dt={date}/hour={date:15}"},
		"days in one folder":  {partitioned("", "out/{date:2006-01}", "in/{date}"), "is the same for one day and the next"},
		"half of the hours":   {partitioned(jobs.Hour, "out/{date:2006-01-02T03}", "in"), "is the same for one hour"},
		"years are missing":   {partitioned(jobs.Month, "out/{date:01}", "in"), "is the same for one month"},
		"date of a model": {func() jobs.Job {
			j := partitioned("", "out/{date}", "in")
			j.Model.Path = "models/{date}"
			return j
		}(), "model.path has a date"},
		"partition":         {partitioned("fortnight", "out/{date}", "in"), "partition is \"fortnight\": it must be one of hour, day, week, month"},
		"partition of none": {partitioned(jobs.Day, "out", "in"), "partition and timezone are for jobs with a {date}"},
		"zone": {func() jobs.Job {
			j := partitioned("", "out/{date}", "in")
			j.Timezone = "Mars/Olympus"
			return j
		}(), "timezone is \"Mars/Olympus\": it must be a name of the IANA database"},
		"zone of the machine": {func() jobs.Job {
			j := partitioned("", "out/{date}", "in")
			j.Timezone = "Local"
			return j
		}(), "timezone is \"Local\""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := test.job.Validate()
			var e *jobs.Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "job.yaml: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if _, of := test.job.Calendar(); of == nil || of.Error() != err.Error() {
				t.Errorf("the calendar says %v", of)
			}
		})
	}
}

// Braces that are no dates stay what they were: globs, and names of files.
func TestBracesThatAreNoDates(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"in/{a,b}/*.parquet", "in/{3F25-04E0}.parquet", "in/{x}", "in/**/{train,test}-{0,1}.arrow"} {
		j := partitioned("", "out", in)
		if err := j.Validate(); err != nil || j.Partitioned() {
			t.Errorf("%s: %v", in, err)
		}
	}
}
