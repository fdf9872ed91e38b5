package main

import (
	"maps"
	"slices"
)

// folder is files with the arrows between them.
type folder struct {
	name  string
	lines int
	uses  map[string]map[string]bool // [file][file that it uses], every file a key
}

type row struct{ lines, files, floors, arrows, upward int }

func (f *folder) row() row {
	r := row{lines: f.lines, files: len(f.uses)}
	order := f.order()
	place := map[string]int{}
	for i, name := range order {
		place[name] = i
	}
	floor := map[string]int{}
	for _, name := range order { // from the bottom
		floor[name] = 1
		for used := range f.uses[name] {
			r.arrows++
			if place[used] > place[name] {
				r.upward++
			} else {
				floor[name] = max(floor[name], floor[used]+1)
			}
		}
		r.floors = max(r.floors, floor[name])
	}
	return r
}

// order lists the files from the bottom to the top, with few arrows upward.
func (f *folder) order() []string {
	left := f.greedy()
	for better := true; better; {
		better = false
		for _, name := range slices.Sorted(maps.Keys(f.uses)) {
			better = f.move(left, name) || better
		}
	}
	return left
}

// greedy puts files that use nothing else to the bottom, files that nothing else uses to the top, and where there is
// neither the one that is used most beyond what it uses to the bottom.
func (f *folder) greedy() []string {
	rest := slices.Sorted(maps.Keys(f.uses))
	var bottom, top []string
	for len(rest) > 0 {
		best, at, up := -1<<31, 0, false
		for i, name := range rest {
			uses, used := 0, 0
			for _, other := range rest {
				if f.uses[name][other] {
					uses++
				}
				if f.uses[other][name] {
					used++
				}
			}
			score := used - uses
			switch {
			case uses == 0:
				score = 1 << 30
			case used == 0:
				score = 1 << 29
			}
			if score > best {
				best, at, up = score, i, uses > 0 && used == 0
			}
		}
		if up {
			top = append(top, rest[at])
		} else {
			bottom = append(bottom, rest[at])
		}
		rest = slices.Delete(rest, at, at+1)
	}
	slices.Reverse(top)
	return append(bottom, top...)
}

// move puts one file to where the fewest arrows run upward, and says whether that is fewer than before.
func (f *folder) move(order []string, name string) bool {
	from := slices.Index(order, name)
	best, to := 0, from
	for _, step := range []int{-1, 1} {
		gain := 0 // arrows upward that passing all until i removes
		for i := from + step; i >= 0 && i < len(order); i += step {
			other := order[i]
			if f.uses[name][other] {
				gain += step
			}
			if f.uses[other][name] {
				gain -= step
			}
			if gain > best {
				best, to = gain, i
			}
		}
	}
	if best == 0 {
		return false
	}
	copy(order[from:], order[from+1:])
	copy(order[to+1:], order[to:len(order)-1])
	order[to] = name
	return true
}
