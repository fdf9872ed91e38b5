package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
)

// TestBarFits: a bar is no wider than a narrow terminal, and of ASCII where that is dumb.
func TestBarFits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		columns  int
		terminal string
	}{{120, "xterm"}, {120, "dumb"}, {75, "dumb"}, {60, "xterm"}, {40, "dumb"}, {40, "xterm"}} {
		var b bytes.Buffer
		bar := progressbar.NewOptions64(12_345_678, append(barOptions(c.columns, c.terminal, nil), progressbar.OptionSetWriter(&b), progressbar.OptionThrottle(0))...)
		bar.Describe(barText("scoring", 1234))
		for _, n := range []int64{1, 6_000_000, 12_000_000} {
			if err := bar.Set64(n); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range regexp.MustCompile("[\r\n]").Split(b.String(), -1) {
			line = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]").ReplaceAllString(line, "")
			if n := utf8.RuneCountInString(strings.TrimRight(line, " ")); n > c.columns {
				t.Errorf("%d columns of %d: %q", n, c.columns, line)
			}
			if c.terminal == "dumb" && len(line) != utf8.RuneCountInString(line) {
				t.Errorf("not ASCII: %q", line)
			}
		}
	}
}
