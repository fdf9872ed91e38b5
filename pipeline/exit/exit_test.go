package exit

import (
	"slices"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := Table()
	if !slices.IsSortedFunc(table, func(a, b Entry) int { return a.Code - b.Code }) {
		t.Error("the table is not in ascending order")
	}
	for i, e := range table {
		if e.Code == 2 || e.Meaning == "" || i > 0 && e.Code == table[i-1].Code {
			t.Errorf("%+v: 2 is a Go panic's, every code is listed once and means something", e)
		}
		if got := Meaning(e.Code); got != e.Meaning {
			t.Errorf("Meaning(%d) = %q, want %q", e.Code, got, e.Meaning)
		}
	}
	if got := Meaning(2); got != "" {
		t.Errorf("Meaning(2) = %q, want nothing", got)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	help := Help()
	for _, want := range []string{"\nExit codes:\n  0   done\n", "\n  65  no input could be read", "\n  143 SIGTERM\n"} {
		if !strings.Contains(help, want) {
			t.Errorf("no %q in\n%s", want, help)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 81 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	for _, e := range Table() {
		want := e.Code == 0 || e.Code == 3 || e.Code == 4
		if got := Ended(e.Code); got != want {
			t.Errorf("Ended(%d) = %v, want %v", e.Code, got, want)
		}
	}
}
