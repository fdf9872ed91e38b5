//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"graphscore/writers"
	"graphscore/writers/record"
)

// dated is a job with {date} over 60 days, and what an undisturbed backfill makes of them.
type dated struct {
	t            *testing.T
	folder, job  string
	since, until string
	want         map[string]string
	graphs       int64
	identities   map[string]os.FileInfo // of the parts that stood at the last kill
}

const days = 60

// newDated makes 60 dates over a leap day from the molecules of the example, some of them bad.
func newDated(t *testing.T) *dated {
	t.Helper()
	d := &dated{t: t, folder: t.TempDir(), since: "2024-01-15", until: "2024-03-15"}
	made := filepath.Join(d.folder, "made")
	python(t, "repeat.py", example+"/data", made, "2", strconv.Itoa(days))
	begin := time.Date(2024, 1, 15, 0, 0, 0, 0, time.UTC)
	for i := range days {
		file := filepath.Join(made, fmt.Sprintf("part-%05d.parquet", i))
		if i%20 == 5 {
			python(t, "spoil.py", file, file, "3=nan")
		}
		copyFile(t, file, filepath.Join(d.folder, "data", "dt="+begin.AddDate(0, 0, i).Format(time.DateOnly), "atoms.parquet"))
	}
	model, err := filepath.Abs(example + "/model")
	if err != nil {
		t.Fatal(err)
	}
	d.job = write(t, filepath.Join(d.folder, "nightly.yaml"),
		fmt.Sprintf("input: {path: 'data/dt={date}'}\noutput: {path: 'out/dt={date}'}\nmodel: {path: %q}\nworkers: 2\n", model))
	rec := d.backfill("undisturbed", "--json")
	d.graphs, d.want = rec.Counts.RowsIn, sums(t, filepath.Join(d.folder, "undisturbed"))
	if len(rec.Dates) != days || d.graphs != 2*4806 || rec.Counts.Quarantined != 3 || len(d.want) != days+3 {
		t.Fatalf("%d dates, %+v, %d files", len(rec.Dates), rec.Counts, len(d.want))
	}
	return d
}

func (d *dated) args(output string, more ...string) []string {
	return append([]string{"backfill", d.job, "--output", filepath.Join(d.folder, output, "dt={date}"),
		"--since", d.since, "--until", d.until, "--log-format", "json"}, more...)
}

// backfill runs to the end; the three dates with bad graphs make that 3.
func (d *dated) backfill(output string, more ...string) *record.Backfill {
	d.t.Helper()
	rec := &record.Backfill{}
	o := run(d.t, 3, d.args(output, more...)...)
	if err := json.Unmarshal([]byte(o.stdout), rec); err != nil {
		d.t.Fatalf("%v in %s", err, o.stdout)
	}
	return rec
}

// parts are the parts that stand, which must be whole.
func (d *dated) parts(output string) map[string]os.FileInfo {
	d.t.Helper()
	found := map[string]os.FileInfo{}
	for name, sum := range sums(d.t, filepath.Join(d.folder, output)) {
		if d.want[name] != sum {
			d.t.Errorf("%s is there and not what it should be", name)
		}
		if !strings.HasSuffix(name, ".parquet") {
			continue // a quarantine file comes before its part: without that, it is written again
		}
		info, err := os.Stat(filepath.Join(d.folder, output, name))
		if err != nil {
			d.t.Fatal(err)
		}
		found[name] = info
	}
	return found
}

// kept checks that what stood at the last kill was not written again, and takes note of what stands now.
func (d *dated) kept(output string) int {
	d.t.Helper()
	now := d.parts(output)
	for name, before := range d.identities {
		if after := now[name]; after == nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
			d.t.Errorf("%s was scored again", name)
		}
	}
	d.identities = now
	return len(now)
}

// A backfill over 60 dates, killed three times at random and continued, ends with the same bytes; each date is
// scored once.
func TestBackfillKilled(t *testing.T) {
	t.Parallel()
	d := newDated(t)
	const output = "killed"
	for range 3 {
		p, more := start(t, d.args(output, "--parallel", "2")...), 1+rand.IntN(12)
		eventually(t, "dates are scored", func() bool {
			there, err := filepath.Glob(filepath.Join(d.folder, output, "dt=*", "*.parquet"))
			return err == nil && len(there) >= len(d.identities)+more
		})
		time.Sleep(time.Duration(rand.Int64N(int64(30 * time.Millisecond))))
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		o := p.wait()
		t.Logf("killed, exit code %d, %d parts", o.code, d.kept(output))
		d.unfinish(output)
	}
	before := len(d.identities)
	rec := d.backfill(output, "--json")
	d.kept(output)
	same(t, sums(t, filepath.Join(d.folder, output)), d.want)
	d.once(output)
	if before < days && rec.Counts.Scored == 0 {
		t.Errorf("the last backfill counts %+v", rec.Counts)
	}
	d.ended(output, record.NotEnded, record.NotEnded, record.NotEnded, 3)
	d.clean(output)
	if again := d.backfill(output, "--json"); again.Counts.RowsIn != 0 {
		t.Errorf("a backfill of what is done counts %+v", again.Counts)
	}
}

// unfinish makes the rarest kill certain: one part stands whose date has no _SUCCESS yet.
func (d *dated) unfinish(output string) {
	d.t.Helper()
	done, err := filepath.Glob(filepath.Join(d.folder, output, "dt=*", "_SUCCESS"))
	if err != nil {
		d.t.Fatal(err)
	}
	if len(done) == 0 {
		return // it has just come about by itself
	}
	if err := os.Remove(done[rand.IntN(len(done))]); err != nil {
		d.t.Fatal(err)
	}
}

// ended: there is a record of each backfill, also of those that were killed, with these exit codes.
func (d *dated) ended(output string, want ...int) {
	d.t.Helper()
	files, err := filepath.Glob(filepath.Join(d.folder, output, "_runs", "backfill-*.json"))
	if err != nil {
		d.t.Fatal(err)
	}
	var got []int
	for _, file := range files {
		rec, err := record.ReadBackfill(file)
		if err != nil {
			d.t.Fatal(err)
		}
		got = append(got, rec.ExitCode)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		d.t.Errorf("the records of backfills have exit codes %v, expected %v", got, want)
	}
}

// once: no two run records of a date scored anything. A run that was killed has no record.
func (d *dated) once(output string) {
	d.t.Helper()
	folders, err := filepath.Glob(filepath.Join(d.folder, output, "dt=*"))
	if err != nil || len(folders) != days {
		d.t.Fatalf("%d dates (%v)", len(folders), err)
	}
	for _, folder := range folders {
		records, err := writers.NewView(folder).Records()
		if err != nil {
			d.t.Error(err)
		}
		scored := 0
		for _, file := range records {
			rec, err := record.Read(file)
			if err != nil {
				d.t.Fatal(err)
			}
			if rec.Counts.Scored > 0 {
				scored++
			}
		}
		if scored > 1 {
			d.t.Errorf("%s was scored %d times", folder, scored)
		}
	}
}

// clean: every date is done, and no temporary file is left anywhere.
func (d *dated) clean(output string) {
	d.t.Helper()
	done := 0
	err := filepath.WalkDir(filepath.Join(d.folder, output), func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") {
			d.t.Errorf("%s was left", path)
		}
		if filepath.Base(path) == "_SUCCESS" {
			done++
		}
		return err
	})
	if err != nil || done != days {
		d.t.Errorf("%d dates are done (%v)", done, err)
	}
}
