//go:build docs

package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"graphscore/jobs"
)

// anywhere is the top of a checkout in what pages show.
const anywhere = "/path/to/graphscore"

// patience is for all blocks of one page. It ends those that hang.
const patience = 10 * time.Minute

// TestCommands: the blocks of every page run, in order, and print what the page says that they print.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, needed := range []string{"bin/graphscore", "python/.venv/.test"} {
		if _, err := os.Stat(filepath.Join(root, needed)); err != nil {
			t.Fatalf("%s does not exist: run `make docs-check`, which makes it", needed)
		}
	}
	checkout := files(t)
	left := 0
	for _, p := range pages(t) {
		for i := range p.blocks {
			if reason, out := strings.CutPrefix(p.blocks[i].mark, "not run: "); out {
				left++
				t.Logf("%s is not run: %s", p.blocks[i].where(), reason)
			}
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if s := newSession(t, p); s.count > 0 {
				s.run(checkout)
			}
		})
	}
	t.Logf("%d blocks are not run", left)
}

// session is the blocks of one page, run by one shell.
type session struct {
	t      *testing.T
	page   *page
	dir    string // the copy of the checkout
	out    string // what blocks print: N.out and N.err
	script strings.Builder
	files  map[string]string // that are written before
	count  int
}

// newSession makes the script of a page.
func newSession(t *testing.T, p *page) *session {
	t.Helper()
	s := &session{t: t, page: p, files: map[string]string{}}
	for i := range p.blocks {
		b := &p.blocks[i]
		kind, name, _ := strings.Cut(b.mark, " ")
		switch {
		case kind == "job", kind == "file":
			if err := validJob(t, b.text); err != nil {
				t.Errorf("%s: %v", b.where(), err)
			}
			if kind == "file" {
				s.files[name] = b.text
			}
		case strings.HasPrefix(b.mark, "not run: "), kind == "output", kind == "keys":
		case b.mark != "":
			t.Errorf("%s: unknown mark %q", b.where(), b.mark)
		default:
			s.add(i, b)
		}
	}
	return s
}

// add adds what runs a block; other languages are not run.
func (s *session) add(i int, b *block) {
	begin := fmt.Sprintf("echo %d >\"$DOCS/last\"; exec >\"$DOCS/%d.out\" 2>\"$DOCS/%d.err\"\n", i, i, i)
	file := fmt.Sprintf("block%d", i)
	switch b.lang {
	case "sh":
		s.script.WriteString(begin + b.text)
	case "python":
		runs := "python/.venv/bin/python \"$DOCS/" + file + "\""
		if strings.Contains(b.text, ">>> ") {
			runs = "python/.venv/bin/python -m doctest \"$DOCS/" + file + "\""
		}
		s.files["$DOCS/"+file] = b.text
		s.script.WriteString(begin + runs + "\n")
	case "sql":
		s.files["$DOCS/"+file] = b.text
		s.script.WriteString(begin + "(venv=$PWD/python/.venv; cd " + path.Dir(s.page.name) + " && \"$venv/bin/python\" -c " +
			"'import duckdb, sys; print(*duckdb.sql(open(sys.argv[1]).read()).fetchall())' \"$DOCS/" + file + "\")\n")
	default:
		return
	}
	s.count++
}

// run runs the script in a copy of the checkout, and compares what blocks printed.
func (s *session) run(checkout []string) {
	s.t.Helper()
	s.dir, s.out = filepath.Join(s.t.TempDir(), "checkout"), s.t.TempDir()
	s.copy(checkout)
	for name, text := range s.files {
		if rest, is := strings.CutPrefix(name, "$DOCS/"); is {
			write(s.t, filepath.Join(s.out, rest), text, 0o666)
		} else {
			write(s.t, filepath.Join(s.dir, name), text, 0o666)
		}
	}
	write(s.t, filepath.Join(s.out, "tools", "make"), standIn, 0o777)
	cmd := exec.CommandContext(s.t.Context(), "bash", "-euo", "pipefail", "-c", s.script.String())
	cmd.Dir, cmd.WaitDelay = s.dir, time.Second
	cmd.Env = append(os.Environ(), "DOCS="+s.out, "PATH="+filepath.Join(s.out, "tools")+":"+os.Getenv("PATH"), "GRAPHSCORE_PYTHON=")
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if out, err := cmd.CombinedOutput(); err != nil {
		i, _ := strconv.Atoi(strings.TrimSpace(s.read("last")))
		s.t.Fatalf("%s: %v\n%s%s%s", s.page.blocks[i].where(), err, out, s.read(fmt.Sprintf("%d.out", i)), s.read(fmt.Sprintf("%d.err", i)))
	}
	s.compare()
}

// standIn is `make` for blocks: what it would build is there.
const standIn = `#!/bin/bash
set -eu
job=jobs/examples/molecules/job.yaml
for word; do
  case $word in JOB=*) job=${word#JOB=} ;; esac
done
for word; do
  case $word in
  run) bin/graphscore run "$job" ;;
  *=*) ;;
  *) grep -qE "^$word:" Makefile || { echo "make has no target $word" >&2; exit 2; } ;;
  esac
done
`

// copy makes a checkout with what make build leaves in it.
func (s *session) copy(checkout []string) {
	s.t.Helper()
	top, err := filepath.Abs(root)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range append(checkout, "bin/graphscore") {
		to := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			s.t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			s.t.Fatal(err)
		}
		mode := os.FileMode(0o666)
		if info, err := os.Stat(filepath.Join(top, name)); err == nil {
			mode = info.Mode()
		}
		write(s.t, to, string(content), mode)
	}
	if err := os.Symlink(filepath.Join(top, "python", ".venv"), filepath.Join(s.dir, "python", ".venv")); err != nil {
		s.t.Fatal(err)
	}
}

// compare compares the output of blocks with those blocks that show it.
func (s *session) compare() {
	s.t.Helper()
	last := -1
	for i := range s.page.blocks {
		b := &s.page.blocks[i]
		if b.mark != "output" {
			if _, err := os.Stat(filepath.Join(s.out, fmt.Sprintf("%d.out", i))); err == nil {
				last = i
			}
			continue
		}
		if last < 0 {
			s.t.Errorf("%s: no block before it is run", b.where())
			continue
		}
		got := strings.ReplaceAll(s.read(fmt.Sprintf("%d.out", last)), s.dir, anywhere)
		if !shows(b.text, got) {
			s.t.Errorf("%s is not what %s printed:\n%s", b.where(), s.page.blocks[last].where(), got)
		}
	}
}

func (s *session) read(name string) string {
	content, _ := os.ReadFile(filepath.Join(s.out, name)) // none: nothing was printed
	return string(content)
}

var (
	measures = regexp.MustCompile(`[\d,.]+ (s|ms|graphs/s|workers?|B|KiB|MiB|GiB|%)(\W|$)`)
	blanks   = regexp.MustCompile(` +`)
)

// shows says whether a text shows what was printed, apart from measures and blanks.
func shows(text, printed string) bool {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "..." {
			b.WriteString(`.*`)
			continue
		}
		b.WriteString(regexp.QuoteMeta(plain(line)))
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String()).MatchString(plain(printed))
}

func plain(text string) string {
	return blanks.ReplaceAllString(measures.ReplaceAllString(text, "# $1$2"), " ")
}

func TestShows(t *testing.T) {
	t.Parallel()
	const printed = "files 4\n  1.5 s, then 50,187 graphs/s\nend\n"
	for text, want := range map[string]bool{
		printed: true, "files 4\n  0.5 s, then 1 graphs/s\nend\n": true, "files 4\n...\n": true, "...\nend\n": true,
		"files 5\n...\n": false, "files 4\n": false, "...\nfiles 4\n": false,
	} {
		if got := shows(text, printed); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func validJob(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "job.yaml")
	write(t, file, text, 0o666)
	job, err := jobs.Load(file)
	if err != nil {
		return err
	}
	return job.WithDefaults().Validate()
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
