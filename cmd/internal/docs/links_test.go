//go:build docs

package docs

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link      = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]+)(?: "[^"]*")?\)`)
	elsewhere = regexp.MustCompile(`^[a-z]+:`)
	testName  = regexp.MustCompile("^`((?:Test|Fuzz|test_)\\w+)`$")
	named     = regexp.MustCompile(`<a id="([^"]+)"></a>`)
	figure    = regexp.MustCompile(`\d+\.\d+ x\b`)
)

// TestLinks: every relative link leads to a file of the checkout, and to a heading of it.
func TestLinks(t *testing.T) {
	t.Parallel()
	known, headings := map[string]bool{}, map[string]map[string]bool{}
	for _, name := range files(t) {
		for ; name != "."; name = path.Dir(name) {
			known[name] = true
		}
	}
	all := pages(t)
	for _, p := range all {
		headings[p.name] = anchors(p)
	}
	checked := 0
	for _, p := range all {
		for _, l := range p.prose {
			for _, m := range link.FindAllStringSubmatch(l.text, -1) {
				if elsewhere.MatchString(m[2]) {
					continue
				}
				checked++
				if wrong := leads(p.name, m[1], m[2], known, headings); wrong != "" {
					t.Errorf("%s:%d: [%s](%s): %s", p.name, l.number, m[1], m[2], wrong)
				}
			}
		}
	}
	t.Logf("%d links", checked)
}

// leads says what is wrong with a link, "" for nothing.
func leads(from, text, target string, known map[string]bool, headings map[string]map[string]bool) string {
	name, anchor, _ := strings.Cut(target, "#")
	to := path.Join(path.Dir(from), name)
	if name == "" {
		to = from
	}
	if to != "." && !known[to] {
		return to + " does not exist"
	}
	if anchor != "" && !headings[to][anchor] {
		return fmt.Sprintf("%s has no heading #%s", to, anchor)
	}
	m := testName.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	content, err := os.ReadFile(filepath.Join(root, to))
	if err != nil {
		return err.Error()
	}
	if !regexp.MustCompile(`(?m)^(func|def) ` + m[1] + `\(`).Match(content) {
		return "the file has no test of that name"
	}
	return ""
}

// anchors are those of the headings of a page, as GitHub names them, and those that the page names itself.
func anchors(p *page) map[string]bool {
	found := map[string]bool{}
	for _, l := range p.prose {
		for _, m := range named.FindAllStringSubmatch(l.text, -1) {
			found[m[1]] = true
		}
		level := len(l.text) - len(strings.TrimLeft(l.text, "#"))
		if level == 0 || level > 6 || !strings.HasPrefix(l.text[level:], " ") {
			continue
		}
		base := slug(l.text[level+1:])
		name := base
		for n := 1; found[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		found[name] = true
	}
	return found
}

func slug(heading string) string {
	heading = link.ReplaceAllString(strings.TrimSpace(heading), "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for heading, want := range map[string]string{
		"Exit codes": "exit-codes", "The `model` folder": "the-model-folder", "What is, and why?": "what-is-and-why", "[A](b.md) c": "a-c",
	} {
		if got := slug(heading); got != want {
			t.Errorf("%q is %q, expected %q", heading, got, want)
		}
	}
}

// TestFigures: the factors that the README names are in the page of measurements.
func TestFigures(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	measured, err := os.ReadFile(filepath.Join(root, ".github", "BENCHMARKS.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := figure.FindAllString(string(readme), -1)
	if len(found) < 3 {
		t.Errorf("the README compares with %q only", found)
	}
	for _, f := range found {
		if !strings.Contains(string(measured), "| "+f+" ") {
			t.Errorf("the README says %q, which BENCHMARKS.md does not", f)
		}
	}
}
