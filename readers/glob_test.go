package readers

import (
	"path"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"pgregory.net/rapid"
)

// TestGlobByElements: matched element by element, a path matches what doublestar matches as a whole.
func TestGlobByElements(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"a", "b", "ab", "*", "?", "a*", "*b", "**", "[ab]", "[^a]*", "{a,b}", "{a,b/a}", "{a,{b,ab}}*", `\*`})
	name := rapid.SampledFrom([]string{"a", "b", "ab", "ba", "*"})
	rapid.Check(t, func(rt *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(rt, "pattern"), "/")
		elements := rapid.SliceOfN(name, 1, 4).Draw(rt, "path")
		g := newGlob(pattern)
		at := g.start()
		for _, e := range elements {
			at = g.step(at, e, false)
		}
		if got, want := g.matches(at), asAWhole(pattern, path.Join(elements...)); got != want {
			rt.Errorf("%s on %s: %t", pattern, path.Join(elements...), got)
		}
	})
}

// asAWhole is what doublestar matches. Of a/** and a it says that they match, also of [a]/**, but not of a*/**, where the
// star has come to the end of the name: for it, too, a ** at the end may be nothing.
func asAWhole(pattern, name string) bool {
	if doublestar.MatchUnvalidated(pattern, name) {
		return true
	}
	shorter, is := strings.CutSuffix(pattern, "/**")
	return is && asAWhole(shorter, name)
}
