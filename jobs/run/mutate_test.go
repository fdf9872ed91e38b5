package run

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graphscore/pipeline/exit"
	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/readers"
)

// anyPlan is the reader of plan files, and what makes a plan of them: of files as they are, and of plans that carry the
// checksum of what they became, as of a hand that knows how.
func anyPlan(t testing.TB) *mutation.Target {
	t.Helper()
	in := prepared(t, 2, 2)
	listing, err := in.Plan.Listing()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := json.Marshal(&PlanFile{Version: BuildVersion(), Job: in.Job.Name, Input: *listing})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	sealing := func(plan []byte) []byte {
		return slices.Concat([]byte(planHead+checksum(plan)+planMid), plan, []byte(planTail))
	}
	return &mutation.Target{
		Seeds: map[string][]byte{"plan": plan}, Base: 4 << 20, Times: 4096,
		Known: func(err error) bool { return ExitCode(err) == exit.Config || ExitCode(err) == exit.NoInput },
		Read: func(t *testing.T, content []byte) error {
			if len(content)%4 > 0 {
				content = sealing(content)
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := ReadPlanFile(path)
			if err != nil {
				return err
			}
			_, err = readers.Planned(in.reader(), &p.Input)
			return err
		},
	}
}

// TestMutatedPlans shows that no plan file ends the process, takes much memory, or is refused without its name.
func TestMutatedPlans(t *testing.T) { mutation.Run(t, anyPlan(t)) }

// FuzzPlan is the same for the native fuzzer.
func FuzzPlan(f *testing.F) { mutation.Fuzz(f, anyPlan(f)) }

// TestHostilePlans: plan files that ask for more memory than their size justifies are refused by name.
func TestHostilePlans(t *testing.T) { // not parallel: it measures what is allocated
	deep := strings.Repeat("[", 8<<20)
	sealed := func(plan string) string { return planHead + checksum([]byte(plan)) + planMid + plan + planTail }
	for name, test := range map[string]struct {
		content string
		size    int64 // of a sparse file, 0 of one that is as long as its content
		want    string
	}{
		"sparse, 1 TB":            {"", 1 << 40, "has 1.0 TiB, more than a plan has"},
		"sparse, 1 GB":            {"", 1 << 30, "is not one of graphscore"},
		"sparse behind its head":  {planHead, 1 << 30, "is not one of graphscore"},
		"8 MB of brackets":        {deep, 0, "is not one of graphscore"},
		"brackets with their sum": {sealed(deep), 0, "is not one of graphscore"},
		"files of brackets":       {sealed(`{"files":` + deep), 0, "is not one of graphscore"},
		"an unknown member, deep": {`{"a":` + deep + strings.Repeat("]", 8<<20) + `}`, 0, "is not one of graphscore"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "plan.json")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if test.size > 0 {
				if err := os.Truncate(path, test.size); err != nil {
					t.Fatal(err)
				}
			}
			var err error
			took := mutation.Allocated(func() { _, err = ReadPlanFile(path) })
			if ExitCode(err) != exit.Config || !strings.Contains(err.Error(), path+" "+test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if most := uint64(16<<20 + 8*len(test.content)); took > most {
				t.Errorf("%d bytes allocated, at most %d are due", took, most)
			}
		})
	}
}
