package readers

import (
	"cmp"
	"path"
	"slices"
)

// Gap is a file, or a folder, of which a plan has no shards, as it cannot be read or is not finished: it has a place among
// them all the same, so that the places of all others do not depend on it.
type Gap struct {
	// Rel is the path under the root, as File.Rel; "." is all of an input.
	Rel string
	// Refused is why it cannot be read, nil for one that is not finished, whose path is Unfinished.
	Refused    *FileError
	Unfinished string
}

// gaps returns those of a plan that was made of what was found, in the order of their paths.
func (f *finder) gaps(p *Plan) []Gap {
	var gaps []Gap
	for _, refused := range p.Refused {
		if refused.Rel == "" {
			refused.Rel = f.rel(refused)
		}
		gaps = append(gaps, Gap{Rel: refused.Rel, Refused: refused})
	}
	for _, file := range f.pending {
		gaps = append(gaps, Gap{Rel: file.rel, Unfinished: file.path})
	}
	slices.SortStableFunc(gaps, func(a, b Gap) int { return cmp.Compare(a.Rel, b.Rel) })
	return gaps
}

// rel is the path of a refused file under the first root that it is below.
func (f *finder) rel(refused *FileError) string {
	for i, in := range f.inputs {
		if rel, below := f.below(i, refused); below {
			return path.Join(in.Name, rel)
		}
	}
	return "."
}

// Place is one of those by which the work of a plan is counted: a shard, or a gap.
type Place struct {
	// Shard is its place in Plan.Shards, -1 for a gap.
	Shard int
	// Gap is nil for a shard.
	Gap *Gap
	// Bytes is that of the shard.
	Bytes int64
}

// Places returns all places of the plan, sorted by the paths of their files: those of the shards of a file follow each
// other.
func (p *Plan) Places() []Place {
	places := make([]Place, 0, len(p.Shards)+len(p.gaps))
	gap := 0
	for i := range p.Shards {
		for ; gap < len(p.gaps) && p.gaps[gap].Rel < p.Shards[i].File.Rel; gap++ {
			places = append(places, Place{Shard: -1, Gap: &p.gaps[gap]})
		}
		places = append(places, Place{Shard: i, Bytes: p.Shards[i].Bytes})
	}
	for ; gap < len(p.gaps); gap++ {
		places = append(places, Place{Shard: -1, Gap: &p.gaps[gap]})
	}
	return places
}

// Only returns the plan of some places of p. The types of ids, and what exists, are those of p.
func (p *Plan) Only(places []Place) *Plan {
	only := *p
	only.Files, only.Shards, only.Refused, only.gaps, only.Rows = nil, nil, nil, nil, 0
	only.LeftOut.Unfinished = nil
	only.unread = p.Present() // of the files that this plan does not read, too
	for _, place := range places {
		if place.Gap == nil {
			sh := &p.Shards[place.Shard]
			if n := len(only.Files); n == 0 || only.Files[n-1] != sh.File {
				only.Files = append(only.Files, sh.File)
			}
			only.Shards, only.Rows = append(only.Shards, *sh), only.Rows+sh.Rows
			continue
		}
		only.gaps = append(only.gaps, *place.Gap)
		if place.Gap.Refused != nil {
			only.Refused = append(only.Refused, place.Gap.Refused)
		} else {
			only.LeftOut.Unfinished = append(only.LeftOut.Unfinished, place.Gap.Unfinished)
		}
	}
	return &only
}

// FailedBySystem returns the first file that was refused because a call of the operating system failed, nil where none was:
// another machine, or a later plan, may have it.
func (p *Plan) FailedBySystem() *FileError {
	for _, refused := range p.Refused {
		if refused.OfSystem() {
			return refused
		}
	}
	return nil
}
