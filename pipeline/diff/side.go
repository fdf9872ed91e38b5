package diff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"

	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
)

// side is one output.
type side struct {
	dir     string
	view    writers.View
	foreign []string
	places  map[place][]string // the parts of every place, in the order of their row groups
	found   int                // parts
	level   graph.Level
	outputs []string
	models  []string
	embeds  []string
	ranges  map[string][2]float32 // smallest and largest score by output
	columns []int                 // of the outputs that both sides have
	tally   func(output int, values []float32)

	graphs, rows int64
}

// place is an input under its folder.
type place struct{ dir, input string }

// survey opens every part of an output for a moment, and finds out what they hold.
func survey(ctx context.Context, dir string) (*side, error) {
	view := writers.NewView(dir)
	inv, err := view.List(ctx)
	if err != nil {
		return nil, err
	}
	if !inv.Ours() {
		return nil, &OutputError{dir, "it holds no part, record or lock of graphscore: name the output folder of a run"}
	}
	s := &side{dir: dir, view: view, places: map[place][]string{}, ranges: map[string][2]float32{}, foreign: []string{}, models: []string{}, embeds: []string{}}
	type found struct {
		name  string
		first int
	}
	places := map[place][]found{}
	for _, name := range inv.Parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at, first, err := s.look(name)
		if errors.Is(err, part.ErrForeign) {
			s.foreign = append(s.foreign, name)
			continue
		}
		if err != nil {
			return nil, err
		}
		places[at] = append(places[at], found{name, first})
		s.found++
	}
	for at, list := range places {
		slices.SortFunc(list, func(a, b found) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.name, b.name)) })
		for _, f := range list {
			s.places[at] = append(s.places[at], f.name)
		}
	}
	return s, nil
}

// look reads the footer of a part.
func (s *side) look(name string) (at place, first int, err error) {
	p, err := s.open(name)
	if err != nil {
		return at, 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if s.found == 0 {
		s.level, s.outputs = p.Level(), slices.Clone(p.Outputs())
	}
	if s.level != p.Level() {
		return at, 0, &OutputError{s.dir, fmt.Sprintf("its parts have scores of %ss, and in %q of %ss: end the run that redoes them first",
			s.level, name, p.Level())}
	}
	if !slices.Equal(s.outputs, p.Outputs()) {
		return at, 0, &OutputError{s.dir, fmt.Sprintf("its parts have different outputs, %q and in %q %q: end the run that redoes them first",
			s.outputs, name, p.Outputs())}
	}
	if at, known := slices.BinarySearch(s.models, p.Footer().Model); !known {
		s.models = slices.Insert(s.models, at, p.Footer().Model)
	}
	if step := p.Footer().Settings.Embed; step != "" && !slices.Contains(s.embeds, step) {
		s.embeds = append(s.embeds, step)
		slices.Sort(s.embeds)
	}
	for i, output := range s.outputs {
		lo, hi, known := p.Range(i)
		switch r, there := s.ranges[output]; {
		case p.Footer().RowsOut == 0:
		case !known:
			s.ranges[output] = [2]float32{-math.MaxFloat32, math.MaxFloat32}
		case there:
			s.ranges[output] = [2]float32{min(r[0], lo), max(r[1], hi)}
		default:
			s.ranges[output] = [2]float32{lo, hi}
		}
	}
	return place{path.Dir(name), p.Footer().Input}, p.Footer().FirstGroup, nil
}

func (s *side) open(name string) (*part.Reader, error) {
	return s.view.OpenPart(name)
}

func (s *side) report() Side {
	r := Side{Path: s.dir, Parts: s.found, Graphs: s.graphs, Models: s.models, Embeddings: s.embeds, Foreign: s.foreign}
	switch s.level {
	case graph.NodeLevel:
		r.Nodes = s.rows
	case graph.EdgeLevel:
		r.Edges = s.rows
	}
	return r
}

// pair returns the places of both sides that are read side by side: those of one name, then those that only one side
// has, in the order of their names, which may be one input under another name. Either may be empty.
func pair(old, new *side) (pairs [][2][]string) {
	var onlyOld, onlyNew []place
	for _, p := range sorted(old.places) {
		if parts, both := new.places[p]; both {
			pairs = append(pairs, [2][]string{old.places[p], parts})
		} else {
			onlyOld = append(onlyOld, p)
		}
	}
	for _, p := range sorted(new.places) {
		if _, both := old.places[p]; !both {
			onlyNew = append(onlyNew, p)
		}
	}
	for i := range max(len(onlyOld), len(onlyNew)) {
		var parts [2][]string
		if i < len(onlyOld) {
			parts[0] = old.places[onlyOld[i]]
		}
		if i < len(onlyNew) {
			parts[1] = new.places[onlyNew[i]]
		}
		pairs = append(pairs, parts)
	}
	return pairs
}

func sorted(places map[place][]string) []place {
	list := make([]place, 0, len(places))
	for p := range places {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b place) int { return cmp.Or(cmp.Compare(a.dir, b.dir), cmp.Compare(a.input, b.input)) })
	return list
}

// text is id i of a column as text.
func text(ids *graph.IDs, i int) string { return string(ids.Text(nil, i)) }
