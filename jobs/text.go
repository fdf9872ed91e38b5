package jobs

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"graphscore/pipeline/display"
)

// What no job exceeds. The YAML library takes time that grows with the square of some of these.
const (
	maxJobBytes  = 256 << 10
	maxLineBytes = 16 << 10
	maxNesting   = 64
	maxEntries   = 10_000  // lines, commas and brackets
	maxExpanded  = 100_000 // values, with those that aliases repeat
)

// source is the text of a job file before it is read as YAML.
type source struct {
	path string
	text []byte
}

// newSource checks that a file is text that can be a job. A byte order mark of UTF-8 is taken away. The error is an
// *Error, which says what the file is and shows nothing of it.
func newSource(path string, content []byte) (*source, error) {
	if kind, data := Kind(content); kind != "" {
		reason := "is " + kind + ", not a job file in YAML"
		if data {
			reason += ": name data with --input, and put a pattern in quotes, or the shell expands it"
		} else if strings.Contains(kind, "UTF") {
			reason += ": save it as UTF-8"
		}
		return nil, &Error{Path: path, Reason: reason}
	}
	s := &source{path, bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))}
	number := 0
	for line := range bytes.Lines(s.text) {
		number++
		if !utf8.Valid(line) {
			return nil, &Error{Path: fmt.Sprintf("%s:%d", path, number), Reason: "is not UTF-8: save the job file as UTF-8"}
		}
		if i := bytes.IndexFunc(line, isControl); i >= 0 {
			r, _ := utf8.DecodeRune(line[i:])
			return nil, &Error{Path: fmt.Sprintf("%s:%d:%d", path, number, utf8.RuneCount(line[:i])+1), Reason: fmt.Sprintf("has the control character %U, which no job file may have: remove it", r)}
		}
		if len(line) > maxLineBytes {
			return nil, &Error{Path: fmt.Sprintf("%s:%d", path, number), Reason: "is a line of more than 16 KiB: name a job file"}
		}
	}
	return s, nil
}

// isControl is true for what a terminal may take as a command, and what YAML forbids.
func isControl(r rune) bool {
	return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r >= 0x7f && r < 0xa0
}

// Kind says what a file is by its first bytes, "" for text; data is true where graphscore reads it as an input, or
// might be thought to.
func Kind(head []byte) (kind string, data bool) {
	for _, k := range []struct {
		magic, kind string
		data        bool
	}{
		{"PAR1", "a Parquet file", true}, {"PARE", "an encrypted Parquet file", true},
		{"ARROW1", "an Arrow file", true}, {"\xff\xff\xff\xff", "an Arrow stream", true},
		{"ORC", "an ORC file", true}, {"Obj\x01", "an Avro file", true}, {"\x89HDF", "an HDF5 file", true},
		{"\x93NUMPY", "a NumPy file", true}, {"SQLite format 3\x00", "an SQLite database", true},
		{"PK\x03\x04", "a zip archive", false}, {"\x1f\x8b", "compressed with gzip", false},
		{"\x28\xb5\x2f\xfd", "compressed with zstd", false}, {"BZh", "compressed with bzip2", false},
		{"\xfd7zXZ\x00", "compressed with xz", false}, {"\x7fELF", "a program", false}, {"\x80\x02", "a pickle", false},
		{"\x80\x03", "a pickle", false}, {"\x80\x04", "a pickle", false}, {"\x80\x05", "a pickle", false},
		{"\xff\xfe\x00\x00", "text in UTF-32", false}, {"\x00\x00\xfe\xff", "text in UTF-32", false},
		{"\xff\xfe", "text in UTF-16", false}, {"\xfe\xff", "text in UTF-16", false}, {"%PDF-", "a PDF file", false},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return k.kind, k.data
		}
	}
	head = head[:min(len(head), 1024)]
	zeros := bytes.Count(head, []byte{0})
	switch {
	case zeros == 0:
		return "", false
	case len(head) > 9 && head[8] == '{' && bytes.Equal(head[4:8], []byte{0, 0, 0, 0}):
		return "a safetensors file", false
	case zeros*3 > len(head) && (everySecond(head, 0) || everySecond(head, 1)):
		return "text in UTF-16", false
	default:
		return "a binary file", false
	}
}

// everySecond is true where no zero byte is at another place than first, first+2, and so on.
func everySecond(b []byte, first int) bool {
	for i, c := range b {
		if c == 0 && i%2 != first {
			return false
		}
	}
	return true
}

// at is an error at a place of the source, with the line and a caret below it. Line and column count from 1, the
// column in characters.
func (s *source) at(line, column int, reason string) *Error {
	lines := bytes.Split(s.text, []byte("\n"))
	text := ""
	if line <= len(lines) {
		text = strings.TrimRight(string(lines[line-1]), "\r\n")
	}
	mark := fmt.Sprintf("> %2d | ", line)
	e := &Error{Path: fmt.Sprintf("%s:%d:%d", s.path, line, column), Reason: reason}
	if len(text) <= mostShown {
		e.Reason += fmt.Sprintf("\n%s%s\n%s^", mark, display.WithoutUser(strings.ReplaceAll(text, "\t", " ")), strings.Repeat(" ", len(mark)+column-1))
	}
	return e
}

// leading are the indicators of YAML that open a level each, at the beginning of a line.
var leading = regexp.MustCompile(`^[ \t]*(?:[-?:&!][^ \t\r\n]*[ \t]+)*`)

// bounded refuses levels within levels, and more values, than any job has. It counts quoted brackets and commas as well: a
// job has few of them.
func (s *source) bounded() error {
	depth, number, entries := 0, 0, 0
	for line := range bytes.Lines(s.text) {
		number++
		deep := len(bytes.Fields(leading.Find(line))) + bytes.Count(line, []byte(": "))/maxNesting
		for _, c := range line {
			switch c {
			case '[', '{':
				depth++
				deep = max(deep, depth)
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
		if entries += 1 + bytes.Count(line, []byte(",")) + bytes.Count(line, []byte("[")) + bytes.Count(line, []byte("{")); entries > maxEntries {
			return &Error{Path: fmt.Sprintf("%s:%d", s.path, number), Reason: fmt.Sprintf("ends %s lines, commas and brackets, more than any job has: name a job file, and many files by a glob", humanize.Comma(maxEntries))}
		}
		indent := len(line) - len(bytes.TrimLeft(line, " "))
		if deep > maxNesting || indent > maxLineBytes/maxNesting {
			return &Error{Path: fmt.Sprintf("%s:%d", s.path, number), Reason: fmt.Sprintf("is nested more than %d levels deep: name a job file", maxNesting)}
		}
	}
	return nil
}

// date is a placeholder at the beginning of a text.
var date = regexp.MustCompile(`^\{date(?::[^{}"']*)?\}`)

// unquoted refuses a text with braces or brackets that YAML takes for its own: those inside { } or [ ], and one that
// begins with {date}.
func (s *source) unquoted() error {
	f := flow{}
	number := 0
	for line := range bytes.Lines(s.text) {
		number++
		if at, brace := f.line(line); brace != "" {
			return s.at(number, utf8.RuneCount(line[:at])+1, brace+" is in a text without quotes, where YAML takes it "+
				"for a mapping or a list of its own: put the text in quotes, as in \"data/dt={date}/*.parquet\"")
		}
	}
	return nil
}

// flow follows the brackets and quotes of YAML from line to line.
type flow struct {
	depth int
	quote byte // the open one, 0 outside
	fresh bool // a value may begin here
}

// line returns the place of the first brace or bracket that is in a text without quotes, and what it is; "" where
// there is none.
func (f *flow) line(line []byte) (at int, brace string) {
	f.fresh = true
	before := byte(' ')
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case f.quote != 0:
			escaped := c == '\\' && f.quote == '"' || c == '\'' && f.quote == c && i+1 < len(line) && line[i+1] == c
			if escaped {
				i++
			} else if c == f.quote {
				f.quote = 0
			}
		case c == '#' && blank(before):
			return 0, ""
		case (c == '"' || c == '\'') && f.fresh:
			f.quote, f.fresh = c, false
		case c == '{' || c == '[':
			if placeholder := date.Find(line[i:]); placeholder != nil && (f.depth > 0 || f.fresh) {
				return i, string(placeholder)
			}
			if f.depth > 0 && !f.fresh {
				return i, string(c)
			}
			if f.fresh {
				f.depth++
			}
		case c == '}' || c == ']':
			f.depth = max(0, f.depth-1)
			f.fresh = false
		default:
			f.fresh = f.begins(line, i, before)
		}
		before = c
	}
	return 0, ""
}

// begins is true where a value may begin behind the character at place i.
func (f *flow) begins(line []byte, i int, before byte) bool {
	switch c := line[i]; {
	case blank(c):
		return f.fresh || before == ':'
	case f.depth > 0:
		return c == ',' || c == ':' && i+1 < len(line) && (line[i+1] == '{' || line[i+1] == '[')
	default: // of an element or a key
		return (c == '-' || c == '?') && f.fresh && i+1 < len(line) && blank(line[i+1])
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// tabbed finds a line that is indented with a tab: its number, 0 where there is none.
func (s *source) tabbed() int {
	number := 0
	for line := range bytes.Lines(s.text) {
		number++
		indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 {
			return number
		}
	}
	return 0
}
