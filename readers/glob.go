package readers

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// maxWays is how many patterns without braces one glob may be.
const maxWays = 4096

// glob matches paths element by element, so that a walk knows which folders can hold a match. It does not change. A nil
// glob matches nothing.
type glob struct {
	ways [][]string // the patterns that braces stand for, each as its elements
}

// newGlob returns nil for a pattern that is malformed.
func newGlob(pattern string) *glob {
	if !doublestar.ValidatePattern(pattern) {
		return nil
	}
	g := &glob{}
	for _, way := range expand(pattern) {
		elements := strings.FieldsFunc(way, func(r rune) bool { return r == '/' })
		g.ways = append(g.ways, elements)
	}
	if len(g.ways) > maxWays {
		return nil
	}
	return g
}

// expand returns the patterns that the braces of a pattern stand for. It stops where there are more than maxWays.
func expand(pattern string) []string {
	done, todo := []string(nil), []string{pattern}
	for len(todo) > 0 && len(done)+len(todo) <= maxWays {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		open, shut, commas := braces(p)
		if open < 0 {
			done = append(done, p)
			continue
		}
		from := open + 1
		for _, to := range append(commas, shut) {
			todo = append(todo, p[:open]+p[from:to]+p[shut+1:])
			from = to + 1
		}
	}
	return append(done, todo...)
}

// braces returns the places of the first pair of braces and of its commas; open is -1 where there is none.
func braces(p string) (open, shut int, commas []int) {
	open = -1
	depth, class := 0, false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '{':
			if depth++; depth == 1 {
				open = i
			}
		case c == ',' && depth == 1:
			commas = append(commas, i)
		case c == '}' && depth > 0:
			if depth--; depth == 0 {
				return open, i, commas
			}
		}
	}
	return -1, -1, nil
}

// place is how far one way has been matched: at elements.
type place struct{ way, at int }

// start is where every match begins.
func (g *glob) start() []place {
	if g == nil {
		return nil
	}
	places := make([]place, len(g.ways))
	for i := range places {
		places[i] = place{way: i}
	}
	return g.close(places)
}

// step matches one more element of a path. spelled: the pattern must have the first byte of the name itself, and not
// a wildcard.
func (g *glob) step(from []place, name string, spelled bool) []place {
	var next []place
	for _, p := range from {
		if p.at == len(g.ways[p.way]) {
			continue
		}
		element := g.ways[p.way][p.at]
		switch {
		case spelled && !spells(element, name[:1]):
		case element == "**":
			next = append(next, p)
		case doublestar.MatchUnvalidated(element, name):
			next = append(next, place{p.way, p.at + 1})
		}
	}
	return g.close(next)
}

// spells reports whether what an element of a pattern begins with is a certain byte, and no wildcard.
func spells(element, first string) bool {
	if class, _, ok := strings.Cut(element, "]"); ok && class[0] == '[' {
		return len(class) > 1 && class[1] != '^' && class[1] != '!' && strings.Contains(class, first)
	}
	return strings.HasPrefix(strings.TrimPrefix(element, `\`), first)
}

// close adds the places that are reached without an element, as ** may be none, and sorts them.
func (g *glob) close(places []place) []place {
	for i := 0; i < len(places); i++ {
		p := places[i]
		if way := g.ways[p.way]; p.at < len(way) && way[p.at] == "**" {
			places = append(places, place{p.way, p.at + 1})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.way, b.way), cmp.Compare(a.at, b.at)) })
	return slices.Compact(places)
}

// matches reports whether a path that led to these places matches.
func (g *glob) matches(at []place) bool {
	return slices.ContainsFunc(at, func(p place) bool { return p.at == len(g.ways[p.way]) })
}

// ends reports whether the pattern itself ends with the end of a name.
func (g *glob) ends(end string) bool {
	return g != nil && end != "" && slices.ContainsFunc(g.ways, func(way []string) bool {
		return len(way) > 0 && strings.HasSuffix(strings.ToLower(way[len(way)-1]), strings.ToLower(end))
	})
}

// SplitGlob splits a path with wildcards into the folder before the first one and the pattern below it. Where
// something exists under the very name of an element, such as a folder "in[1]", that element has no wildcard.
func SplitGlob(name string) (root, pattern string) {
	name = filepath.Clean(name)
	volume := filepath.VolumeName(name) // as C: on Windows
	elements := strings.Split(filepath.ToSlash(name[len(volume):]), "/")
	if root = volume; elements[0] == "" {
		root, elements = volume+"/", elements[1:]
	}
	for len(elements) > 1 {
		next := filepath.Join(root, elements[0])
		if _, err := os.Lstat(next); err != nil {
			if IsGlob(strings.NewReplacer(`\*`, "", `\?`, "", `\[`, "", `\{`, "").Replace(elements[0])) {
				break
			}
			next = filepath.Join(root, strings.ReplaceAll(elements[0], `\`, ""))
		}
		root, elements = next, elements[1:]
	}
	if root == "" {
		root = "."
	}
	return filepath.FromSlash(root), strings.Join(elements, "/")
}
