package jobs_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"graphscore/jobs"
)

func TestParseAllowance(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "1": "1", "1000": "1,000", "\t7": "7", "0.1%": "0.1%", "0%": "0%", "100%": "100%",
		"": "", "0.1": "", "1e3": "", "-1": "", "-1%": "", "101%": "", "many": "", "%": "", "1_000": "", "99999999999999999999": "",
	} {
		got, err := jobs.ParseAllowance(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%q is %v (%v), want %q", text, &got, err, want)
		}
	}
}

// k of 100,000 graphs are within an allowance of k thousandths of a percent, and one more is not.
func TestAllowanceMeetsItsCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.Int64Range(0, 100_000).Draw(t, "thousandths of a percent")
		for _, text := range []string{fmt.Sprintf("%d.%03d%%", k/1000, k%1000), fmt.Sprint(k)} {
			a, err := jobs.ParseAllowance(text)
			if err != nil || a.Exceeded(k, 100_000) || !a.Exceeded(k+1, 100_000) {
				t.Fatalf("%d of 100,000 graphs and an allowance of %s: %v", k, text, err)
			}
		}
	})
	var none *jobs.Allowance
	if none.Exceeded(1<<40, 1) {
		t.Error("no allowance has a bound")
	}
}
