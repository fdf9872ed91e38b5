package main

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawn is a folder of "a>b b>c": a uses b, b uses c.
func drawn(arrows string) *folder {
	f := &folder{uses: map[string]map[string]bool{}}
	for arrow := range strings.FieldsSeq(arrows) {
		from, to, _ := strings.Cut(arrow, ">")
		for _, name := range []string{from, to} {
			if f.uses[name] == nil {
				f.uses[name] = map[string]bool{}
			}
		}
		f.uses[from][to] = true
	}
	return f
}

func TestRow(t *testing.T) {
	t.Parallel()
	for arrows, want := range map[string]row{
		"a>b b>c a>c":     {files: 3, floors: 3, arrows: 3},
		"a>b c>d":         {files: 4, floors: 2, arrows: 2},
		"a>b b>c c>a":     {files: 3, floors: 3, arrows: 3, upward: 1},
		"a>b b>a c>d d>c": {files: 4, floors: 2, arrows: 4, upward: 2},
		"a>b b>c c>d d>b": {files: 4, floors: 3, arrows: 4, upward: 1},
	} {
		if got := drawn(arrows).row(); got != want {
			t.Errorf("%s: %+v, expected %+v", arrows, got, want)
		}
	}
}

// Without circles no arrow runs upward, and with them never more than half.
func TestUpward(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		circles := rapid.Bool().Draw(t, "circles")
		f := drawn("")
		names := "abcdefgh"
		for i := range names {
			f.uses[names[i:i+1]] = map[string]bool{}
			for j := range names {
				if i != j && (circles || i < j) && rapid.Bool().Draw(t, "uses") {
					f.uses[names[i:i+1]][names[j:j+1]] = true
				}
			}
		}
		if r := f.row(); !circles && r.upward > 0 || 2*r.upward > r.arrows {
			t.Fatalf("%+v of %v", r, f.uses)
		}
	})
}
