package run

import (
	"encoding/json"
	"errors"
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
func anyPlan(t *testing.T) *mutation.Target {
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
	turn := 0
	return &mutation.Target{
		Seeds: map[string][]byte{"plan": plan}, Base: 4 << 20, Times: 4096,
		Known: func(err error) bool { return ExitCode(err) == exit.Config || ExitCode(err) == exit.NoInput },
		Read: func(t *testing.T, content []byte) error {
			if turn++; turn%4 > 0 {
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

// A sparse file is refused by its size, before it is read.
func TestSparsePlan(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "plan.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<40), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPlanFile(path); ExitCode(err) != exit.Config || !strings.Contains(err.Error(), path+" has 1.0 TiB") {
		t.Errorf("error %v", err)
	}
}
