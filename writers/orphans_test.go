package writers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/writers/part"
)

// TestOrphans: what becomes of the parts of inputs that are not among those that exist. The output has the parts of
// d/e/a, b (twice) and c; the plan has b and, where it says so, d/e/a under another name.
func TestOrphans(t *testing.T) {
	t.Parallel()
	const a, c = "d/e/a.parquet", "c.parquet"
	type want struct {
		orphaned, prunable []string
		refusal            []string // what the error says, nil for none
	}
	for name, tc := range map[string]struct {
		plan    Plan
		renamed bool
		limit   int64
		want    want
	}{
		"kept and named":                    {want: want{orphaned: []string{c, a}}},
		"refused by name":                   {plan: Plan{OnOrphan: RefuseOrphans}, want: want{refusal: []string{`"c.parquet" (its input "c" is gone, and on_orphan is refuse)`, "2 parts whose input is gone", "--prune"}}},
		"pruned":                            {plan: Plan{OnOrphan: PruneOrphans}, want: want{orphaned: []string{c, a}, prunable: []string{c, a}}},
		"renamed":                           {renamed: true, want: want{refusal: []string{`1 part whose input is gone`, `its input "d/e/a" is gone, and "new" has the same fingerprint`, "--prune"}}},
		"renamed, with the remedy":          {plan: Plan{OnOrphan: PruneOrphans}, renamed: true, want: want{orphaned: []string{c, a}, prunable: []string{c, a}}},
		"renamed, in a trial":               {plan: Plan{OnOrphan: PruneOrphans}, renamed: true, limit: 3, want: want{refusal: []string{"renamed", "another output to try a job with --limit"}}},
		"never pruned in a trial":           {plan: Plan{OnOrphan: PruneOrphans}, limit: 3, want: want{orphaned: []string{c, a}}},
		"never pruned after a refused file": {plan: Plan{OnOrphan: PruneOrphans, Incomplete: true}, want: want{orphaned: []string{c, a}}},
		"a folder that could not be read":   {plan: Plan{OnOrphan: PruneOrphans, Unseen: []string{"d"}}, want: want{orphaned: []string{c}, prunable: []string{c}}},
		"a file that could not be seen":     {plan: Plan{OnOrphan: RefuseOrphans, Unseen: []string{"d/e/a", "c"}}},
		"a name that only begins alike":     {plan: Plan{Unseen: []string{"d/e/a2", "d/"}}, want: want{orphaned: []string{c, a}}},
		"a root that could not be seen":     {plan: Plan{OnOrphan: RefuseOrphans, Unseen: []string{"."}}},
		"an input that found nothing":       {plan: Plan{OnOrphan: PruneOrphans, Absent: []string{"d"}}, want: want{orphaned: []string{c, a}, prunable: []string{c}}},
		"renamed from such an input":        {plan: Plan{OnOrphan: PruneOrphans, Absent: []string{"d"}}, renamed: true, want: want{orphaned: []string{c, a}, prunable: []string{c, a}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, specs := standing(t)
			plan := tc.plan
			plan.Contents, plan.Specs, plan.Inputs = cfg.Contents, specs[1:3], map[string]bool{"b": true}
			if tc.renamed {
				plan.Specs = append(plan.Specs[:2:2], part.Spec{Part: "new.parquet", Input: "new", Fingerprint: specs[0].Fingerprint})
				plan.Inputs["new"] = true
			}
			if tc.limit > 0 { // only in the plan: its own parts would not match
				plan.Contents.Settings.Limit = tc.limit
				plan.Specs = plan.Specs[2:]
				plan.Inputs["b"] = true
			}
			found, err := Compare(t.Context(), cfg.Config, plan)
			must(t, err)
			refusal := found.Refusal()
			for _, text := range tc.want.refusal {
				if refusal == nil || !strings.Contains(refusal.Error(), text) {
					t.Errorf("%v does not say %q", refusal, text)
				}
			}
			if tc.want.refusal != nil {
				return
			}
			must(t, refusal)
			if d := cmp.Diff(tc.want.orphaned, found.Orphaned) + cmp.Diff(tc.want.prunable, found.Prunable); d != "" {
				t.Error(d)
			}
		})
	}
}

// prunes opens the output with the plan of b alone, and --prune.
func prunes(t *testing.T, cfg setup, specs []part.Spec) (opened, *Reconciled) {
	t.Helper()
	cfg.OnOrphan = PruneOrphans
	o := open(t, cfg)
	r, err := o.Reconcile(t.Context(), specs[1:3], map[string]bool{"b": true})
	must(t, err)
	return o, r
}

func TestPruneRemovesPartAndQuarantine(t *testing.T) {
	t.Parallel()
	cfg, _, specs := standing(t)
	o, r := prunes(t, cfg, specs)
	must(t, o.Finish(t.Context(), r, true))
	must(t, o.Finish(t.Context(), r, true)) // a second time changes nothing
	if d := cmp.Diff([]string{"c.parquet", "d/e/a.parquet"}, r.Pruned); d != "" || len(r.Orphaned) > 0 {
		t.Errorf("pruned %v, orphaned %v", r.Pruned, r.Orphaned)
	}
	for name := range result(t, cfg.Dir) {
		if !strings.Contains(name, "b.rg") && name != SuccessName && !strings.HasPrefix(name, "_lock") {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, SuccessName)); err != nil {
		t.Error(err)
	}
}

func TestPruneWaitsForEveryPlannedPart(t *testing.T) {
	t.Parallel()
	cfg, _, specs := standing(t)
	must(t, os.Remove(filepath.Join(cfg.Dir, filepath.FromSlash(specs[1].Part))))
	o, r := prunes(t, cfg, specs)
	must(t, o.Settle(t.Context(), r))
	after := tree(t, cfg.Dir)
	_, a := after["d/e/a.parquet"]
	_, c := after["c.parquet"]
	if !a || !c || len(r.Pruned) > 0 || len(r.Orphaned) != 2 {
		t.Errorf("pruned %v, orphaned %v", r.Pruned, r.Orphaned)
	}
}

// What has become something else since the output was compared stays.
func TestPruneLooksAgain(t *testing.T) {
	t.Parallel()
	cfg, _, specs := standing(t)
	o, r := prunes(t, cfg, specs)
	must(t, os.WriteFile(filepath.Join(cfg.Dir, "c.parquet"), foreignParquet(t), 0o666))
	must(t, os.Remove(filepath.Join(cfg.Dir, "d", "e", "a.parquet")))
	must(t, o.Finish(t.Context(), r, true))
	if _, err := os.Stat(filepath.Join(cfg.Dir, "c.parquet")); err != nil || len(r.Pruned) > 0 {
		t.Errorf("pruned %v: %v", r.Pruned, err)
	}
}
