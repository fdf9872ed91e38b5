//go:build docs

package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the checkout as seen from this folder.
const root = "../../.."

// page is one Markdown file.
type page struct {
	name   string // from the top of the checkout, with slashes
	prose  []line // what is in no code block
	blocks []block
}

type line struct {
	number int
	text   string
}

// block is a code block, or a table with a mark.
type block struct {
	page   string
	number int    // of its first line in the file
	lang   string // "table" for a table
	text   string
	mark   string // of the comment before it, without "docs:"
}

func (b *block) where() string { return fmt.Sprintf("%s:%d", b.page, b.number) }

// files are all files of the checkout that git knows or does not ignore.
func files(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for name := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		if _, err := os.Stat(filepath.Join(root, string(name))); err == nil { // not deleted
			found = append(found, string(name))
		}
	}
	return found
}

// pages are all Markdown files.
func pages(t *testing.T) []*page {
	t.Helper()
	var all []*page
	for _, name := range files(t) {
		if strings.HasSuffix(name, ".md") {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parse(name, string(text)))
		}
	}
	if len(all) < 5 {
		t.Fatalf("only %d Markdown files are found", len(all))
	}
	return all
}

var (
	fence   = regexp.MustCompile("^( *)(```+|~~~+) *([a-z]*)")
	comment = regexp.MustCompile(`^ *<!-- docs: (.*) -->$`)
)

// parse cuts a page into prose and blocks.
func parse(name, text string) *page {
	p := &page{name: name}
	mark, inside, end := "", false, ""
	for number, text := range strings.Split(text, "\n") {
		if inside {
			b := &p.blocks[len(p.blocks)-1]
			if inside = strings.TrimSpace(text) != end; inside {
				b.text += text + "\n"
			}
			continue
		}
		if m := fence.FindStringSubmatch(text); m != nil {
			p.blocks = append(p.blocks, block{page: name, number: number + 1, lang: m[3], mark: mark})
			mark, inside, end = "", true, m[2]
			continue
		}
		p.prose = append(p.prose, line{number + 1, text})
		switch m := comment.FindStringSubmatch(text); {
		case m != nil:
			mark = m[1]
		case strings.HasPrefix(text, "|") && mark != "":
			p.blocks = append(p.blocks, block{page: name, number: number + 1, lang: "table", text: text + "\n", mark: mark})
			mark = ""
		case strings.HasPrefix(text, "|") && len(p.blocks) > 0:
			if b := &p.blocks[len(p.blocks)-1]; b.lang == "table" && b.number+strings.Count(b.text, "\n") == number+1 {
				b.text += text + "\n"
			}
		case strings.TrimSpace(text) != "":
			mark = ""
		}
	}
	return p
}

func TestParse(t *testing.T) {
	t.Parallel()
	p := parse("a.md", "# A\n<!-- docs: keys x -->\n| a |\n| b |\n\n| c |\n\n```sh\nls\n```\n<!-- docs: output -->\n```\nb\n````\n```\n")
	want := []block{
		{"a.md", 3, "table", "| a |\n| b |\n", "keys x"}, {"a.md", 8, "sh", "ls\n", ""}, {"a.md", 12, "", "b\n````\n", "output"},
	}
	if !slices.Equal(p.blocks, want) {
		t.Errorf("%+v", p.blocks)
	}
}
