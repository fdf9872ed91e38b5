package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"
)

// goldens are the files testdata/golden/<command>.txt: what a command prints, sentence by sentence, so that a script
// says only what happens. A file is a txtar archive with one section for each "shows" line of the scripts:
//
//	-- SCRIPT: COMMAND LINE --      the third time that a script has the same line, it ends in (3)
//	standard output
//	[stderr]                        where there is any
//	standard error
//	[exit CODE]
//
// What differs between two runs is replaced, see normalized. Sections have the order of the scripts.
type goldens struct {
	dir    string
	update bool

	mu    sync.Mutex
	files map[string]map[string]section // by command, then by title
	ran   map[string]bool               // scripts that have begun
}

// section is what one "shows" line printed.
type section struct {
	script string
	place  int // its number among the sections of its script
	text   string
	used   bool
}

func openGoldens(dir string, update bool) (*goldens, error) {
	g := &goldens{dir: dir, update: update, files: map[string]map[string]section{}, ran: map[string]bool{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			return nil, err
		}
		sections := map[string]section{}
		for i, f := range archive.Files {
			script, _, _ := strings.Cut(f.Name, ":")
			sections[f.Name] = section{script: script, place: i, text: string(f.Data)}
		}
		g.files[strings.TrimSuffix(filepath.Base(name), ".txt")] = sections
	}
	return g, nil
}

// setup begins a script.
func (g *goldens) setup(ts *testscript.Env, script string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ran[script] = true
	ts.Values[transcriptKey{}] = &transcript{goldens: g, script: script, times: map[string]int{}}
}

// compare reports how text differs from the section, "" where it does not; an update takes the text over.
func (g *goldens) compare(command, title string, got section) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	got.used = true
	want, known := g.files[command][title]
	if known && sameText(want.text, got.text) {
		got.text = want.text
	} else if !g.update {
		return fmt.Sprintf("%s: section %q has\n%s\nand the command printed\n%s\nwhere that is right: go test ./cmd/internal/cli -run TestScripts -update",
			g.name(command), title, want.text, got.text)
	}
	if g.files[command] == nil {
		g.files[command] = map[string]section{}
	}
	g.files[command][title] = got
	return ""
}

// sameText compares by the letter, but word by word where a path of the work folder is in it: its length differs
// between machines, and with it where lines are wrapped.
func sameText(want, got string) bool {
	return want == got || strings.Contains(got, "$WORK") && slices.Equal(strings.Fields(want), strings.Fields(got))
}

func (g *goldens) name(command string) string { return filepath.Join(g.dir, command+".txt") }

// finish writes what has changed, and fails where a section belongs to no line of a script that ran.
func (g *goldens) finish(t *testing.T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.Failed() {
		return
	}
	for command, sections := range g.files {
		for title, s := range sections {
			if s.used || !g.ran[s.script] {
				continue
			}
			if delete(sections, title); !g.update {
				t.Errorf("%s: no script shows %q: run with -update", g.name(command), title)
			}
		}
		if g.update {
			if err := g.write(command, sections); err != nil {
				t.Error(err)
			}
		}
	}
}

func (g *goldens) write(command string, sections map[string]section) error {
	if len(sections) == 0 {
		if err := os.Remove(g.name(command)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	archive := &txtar.Archive{Comment: []byte("# What graphscore " + command + " prints: written by go test ./cmd/internal/cli -update, read in review.\n")}
	for title, s := range sections {
		archive.Files = append(archive.Files, txtar.File{Name: title, Data: []byte(s.text)})
	}
	slices.SortFunc(archive.Files, func(a, b txtar.File) int {
		x, y := sections[a.Name], sections[b.Name]
		if x.script != y.script {
			return strings.Compare(x.script, y.script)
		}
		return x.place - y.place
	})
	return os.WriteFile(g.name(command), txtar.Format(archive), 0o666)
}

// transcript is what a script has shown so far.
type transcript struct {
	*goldens
	script    string
	shown     int
	times     map[string]int // how often a title occurred
	addresses []string       // address, variable that has it, ...
}

type transcriptKey struct{}

func transcriptOf(ts *testscript.TestScript) *transcript {
	return ts.Value(transcriptKey{}).(*transcript)
}

// setAddress puts the address of a server into a variable, by whose name it is known in golden files.
func setAddress(ts *testscript.TestScript, variable, address string) {
	t := transcriptOf(ts)
	t.addresses = append([]string{address, "$" + variable}, t.addresses...)
	ts.Setenv(variable, address)
}

// shows CODE COMMAND...: as exits, and what is printed is what the golden file of the command has. A document on
// standard output is left out: scripts look at its keys.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	exits(ts, neg, args)
	t := transcriptOf(ts)
	names := strings.NewReplacer(append(t.addresses, ts.Getenv("FIXTURES"), "$FIXTURES", ts.Getenv("EXAMPLE"), "$EXAMPLE", ts.Getenv("WORK"), "$WORK")...)
	words := make([]string, len(args)-1)
	for i, word := range args[1:] {
		if words[i] = names.Replace(word); word == "" || strings.ContainsAny(word, " '*\"") {
			words[i] = "'" + words[i] + "'"
		}
	}
	line := strings.Join(words, " ")
	title := t.script + ": " + line
	if t.times[title]++; t.times[title] > 1 {
		title += fmt.Sprintf(" (%d)", t.times[title])
	}
	t.shown++
	var b strings.Builder
	if stdout := ts.ReadFile("stdout"); !strings.HasPrefix(stdout, "{") && !strings.HasPrefix(stdout, "<") {
		b.WriteString(normalized(stdout, names))
	}
	if stderr := normalized(withoutLogs(ts.ReadFile("stderr")), names); stderr != "" {
		b.WriteString("[stderr]\n" + stderr)
	}
	fmt.Fprintf(&b, "[exit %s]\n", args[0])
	if difference := t.compare(commandOf(line), title, section{script: t.script, place: t.shown, text: b.String()}); difference != "" {
		ts.Fatalf("%s", difference)
	}
}

// commandOf finds the command in a line, which may be that of a shell; without one it is that of the root.
func commandOf(line string) string {
	match := regexp.MustCompile(`\bgraphscore (backfill|completion|diff|doctor|finish|inspect|plan|quarantine|report|run|validate|verify|version)\b`).FindStringSubmatch(line)
	if match == nil {
		return "root"
	}
	return match[1]
}

// withoutLogs takes out the log of work that goes on: its lines come in any order, as shards do, and calls are
// repeated as often as time allows.
func withoutLogs(stderr string) string {
	var b strings.Builder
	for line := range strings.Lines(stderr) {
		if !regexp.MustCompile(`"level":"INFO"| level=INFO |"msg":"scoring again"`).MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// normalized replaces what differs between two runs of one command: by pattern, see volatile, then the work folder and
// addresses of servers. A command that shows a date counted from today has a clock that stands, see clockVariable.
func normalized(text string, names *strings.Replacer) string {
	for _, v := range volatile() {
		text = regexp.MustCompile(`(?m)`+v[0]).ReplaceAllString(text, v[1])
	}
	text = names.Replace(text)
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// volatile has patterns, and what stands for them in a golden file.
func volatile() [][2]string {
	return [][2]string{
		// times, ids, machines
		{`20\d{6}T\d{6}Z-[0-9a-f]{8}`, "RUN"},
		{`20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| UTC|[+-]\d\d:\d\d)`, "TIME"},
		{`^  [0-9.]+ s\b`, "  N s"},
		{` +[0-9.]+ s\b`, " N s"},
		{`[0-9,]+ graphs/s`, "N graphs/s"},
		{`(, is [0-9]{2}h)[0-9ms]* old`, "${1} old"},
		{`, is [0-9]{3,}h[0-9ms]* old`, ", is Nh old"},
		{`^(  20.*?\S) +[0-9]+\.[0-9]$`, "${1} N"}, // of a backfill's dates
		{`\bpid \d+ on [^ ,:]+`, "pid N on HOST"},
		{`giving up after \d+ attempts`, "giving up after N attempts"},
		{`(scorer at \S+: graph )"\d+"`, `${1}"N"`}, // the first of those that are called side by side
		{`"error":"(context [a-z ]+|connection error: .*)"`, `"error":"NO CONNECTION"`},
		// doctor
		{`[0-9.]+ [KMGT]iB free`, "N GiB free"},
		{`^(ok   |warn ) memory .*(\n      .*)*`, "ok    memory    the machine allows N GiB, a run may take N MiB"},
		// plan --calibrate
		{`from a sample of \d+ graphs`, "from a sample of N graphs"},
		{`^  (graphs/s|time|memory|price) +.* to (?:N|[0-9.,]*[0-9])[^,\n]*(.*)`, "  ${1} N to N${2}"},
		{`^  output +[0-9.]+ ([KM]iB)  [0-9.]+ [KM]iB to .*`, "  output N ${1} to N"},
		{`^  quarantined +\d+  graphs of the sample`, "  quarantined N graphs of the sample"},
		// report: speed and memory
		{`^((throughput:|time by stage|slowest shards).*\n)(.+\n)+`, "${1}  ...\n"},
		{`^ +before +now +change$`, "  before now change"},
		{`^ +(graphs in|quarantine rate|scored by the run|nodes scored) +(\S+) +(\S+) +(.+)`, "  ${1} ${2} ${3} ${4}"},
		{`^ +(throughput|duration|peak memory) .*`, "  ${1} ..."},
		{`^  (host|built with|inputs) +.*(\n {19}.*)*`, "  ${1} ..."},
		// version
		{`^(graphscore|go|arrow|grpc) \S*$`, "${1} VERSION"},
	}
}
