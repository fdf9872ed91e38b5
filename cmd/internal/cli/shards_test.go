package cli

import (
	"testing"

	"graphscore/writers/record"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	for want, indices := range map[string][]int{"": nil, "4": {4}, "0-3": {0, 1, 2, 3}, "0,2-3,7,9-10": {0, 2, 3, 7, 9, 10}} {
		var tasks []record.Task
		for _, i := range indices {
			tasks = append(tasks, record.Task{Index: i, Count: 11})
		}
		if got := ranges(tasks); got != want {
			t.Errorf("%v: %q, want %q", indices, got, want)
		}
	}
}
