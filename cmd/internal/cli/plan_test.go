package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/display"
)

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	got := []string{
		display.Estimate(0.04), display.Estimate(9.94), display.Estimate(12.4), display.Estimate(59.4), display.Estimate(59.6), display.Estimate(200), display.Estimate(18600),
		money(0), money(0.004), money(0.25), money(1234.5), count(1234567.4), display.Bytes(int64(-1)),
	}
	want := []string{
		"0.0 s", "9.9 s", "12 s", "59 s", "1 min 0 s", "3 min 20 s", "5 h 10 min",
		"0.00", "<0.01", "0.25", "1234.50", "1,234,567", "0 B",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWrapped(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(display.Paragraph("  note: ", strings.Repeat("word ", 30)+strings.Repeat("x", 100)))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i, line := range lines[:len(lines)-1] {
		if len(line) > 80 {
			t.Errorf("line %d has %d columns", i, len(line))
		}
	}
	if last := strings.TrimSpace(lines[len(lines)-1]); last != strings.Repeat("x", 100) {
		t.Errorf("a long word was cut: %q", last)
	}
}
