package run

import "container/heap"

// loads are the bytes that each task has, the smallest first; of equal ones the task with the lowest index.
type loads struct {
	bytes []int64
	order []int // a heap of indices
}

func newLoads(count int) *loads {
	l := &loads{bytes: make([]int64, count), order: make([]int, count)}
	for i := range l.order {
		l.order[i] = i
	}
	return l
}

// add adds so many bytes to the task that has the fewest, and returns its index.
func (l *loads) add(bytes int64) int {
	task := l.order[0]
	l.bytes[task] += bytes
	heap.Fix(l, 0)
	return task
}

func (l *loads) Len() int { return len(l.order) }

func (l *loads) Less(i, j int) bool {
	a, b := l.order[i], l.order[j]
	return l.bytes[a] < l.bytes[b] || l.bytes[a] == l.bytes[b] && a < b
}

func (l *loads) Swap(i, j int) { l.order[i], l.order[j] = l.order[j], l.order[i] }

// Push and Pop are of heap.Interface; the number of tasks does not change.
func (l *loads) Push(any) {}
func (l *loads) Pop() any { return nil }
