package run

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/pipeline/observe"
	"graphscore/writers/record"
)

// The newest run that came to its end is what an output is as of, whatever was refused or stopped later.
func TestLastEnded(t *testing.T) {
	t.Parallel()
	refused := []record.RefusedFile{{File: "a.parquet"}}
	for _, test := range []struct {
		name  string
		codes []int // of runs, oldest first; -1 for a record that cannot be read
		files []record.RefusedFile
		want  int // its place, -1 for none
	}{
		{"none", nil, nil, -1},
		{"the last", []int{0, 3}, nil, 1},
		{"a gate", []int{0, 4}, nil, 1},
		{"failed since", []int{3, 69, 78, 143, 75}, nil, 0},
		{"unreadable since", []int{0, 0, -1}, nil, 1},
		{"no file could be read", []int{0, 65}, refused, 1},
		{"no model could be read", []int{0, 65}, nil, 0},
		{"never", []int{69, 70, 73, 74}, nil, -1},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, record.Dir), 0o777); err != nil {
			t.Fatal(err)
		}
		for i, code := range test.codes {
			text := fmt.Sprintf(`{"run_id": "%d", "counts": {}, "shards": [], "exit_code": %d, "refused": [%s]}`, i, code,
				map[bool]string{true: `{"file": "a.parquet"}`}[len(test.files) > 0])
			if code < 0 {
				text = "{"
			}
			name := fmt.Sprintf("20261122T0000%02dZ-00000000.json", i)
			if err := os.WriteFile(filepath.Join(dir, record.Dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		rec, err := LastEnded(dir)
		got := -1
		if rec != nil {
			_, _ = fmt.Sscan(rec.RunID, &got)
		}
		if err != nil || got != test.want {
			t.Errorf("%s: run %d, expected %d (%v)", test.name, got, test.want, err)
		}
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()
	rec := &record.Run{Shards: []record.Shard{
		{Outcome: "scored", Scored: 10, Quarantined: 1}, {Outcome: record.ShardSkipped, Scored: 20, Quarantined: 2},
		{Outcome: "failed", Scored: 40, Quarantined: 4}, {Outcome: "refused"},
	}}
	if scored, quarantined := Standing(rec); scored != 30 || quarantined != 3 {
		t.Errorf("%d scored, %d in quarantine", scored, quarantined)
	}
}

// A job is known by its file and by the output of all its dates.
func TestWatched(t *testing.T) {
	t.Parallel()
	job := jobs.Job{Path: "/etc/m.yaml", Name: "m", Input: jobs.Input{Path: jobs.Paths{{Path: "/in"}}}, Output: jobs.Output{Path: "/out/{date}"}}
	calendar, err := job.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	date, err := calendar.Parse("2026-11-22", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	of, want := job.On(date), observe.Job{Name: "m", File: "/etc/m.yaml", Output: "/out/{date}"}
	if got := Watched(&of); got != want {
		t.Errorf("%+v", got)
	}
	if got := Watched(&jobs.Job{Name: "job", Output: jobs.Output{Path: "/out"}}); got.File != "" || got.Output != "/out" {
		t.Errorf("%+v", got)
	}
}
