package jobs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"graphscore/pipeline/display"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads a job file. It fills no defaults and validates nothing but the form: flags come in between. The
// error is an *Error.
func Load(path string) (*Job, error) {
	content, err := ReadFile(path, maxJobBytes)
	var large *LargeError
	if err != nil && !errors.As(err, &large) {
		return nil, unreadable(path, err)
	}
	text, err := newSource(path, content)
	if err != nil {
		return nil, err
	}
	if large != nil {
		return nil, &Error{Path: path, Reason: "is larger than 256 KiB: name a job file"}
	}
	job, err := decode(text)
	if err != nil {
		return nil, err
	}
	job.Path = path
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, unreadable(path, err)
	}
	job.resolve(dir)
	return job, nil
}

// decode reads the text of a job. The error is an *Error.
func decode(s *source) (*Job, error) {
	if err := s.bounded(); err != nil {
		return nil, err
	}
	if err := s.unquoted(); err != nil {
		return nil, err
	}
	file, broken := parser.ParseBytes(s.text, 0)
	if broken == nil && expanded(file) > maxExpanded {
		return nil, &Error{Path: s.path, Reason: fmt.Sprintf("repeats values by its aliases, as in *name, more than %s times: write out what the job needs", humanize.Comma(maxExpanded))}
	}
	job := &Job{}
	decoder := yaml.NewDecoder(bytes.NewReader(s.text), yaml.Strict())
	if err := decoder.Decode(job); err != nil && !errors.Is(err, io.EOF) {
		var syntax *yaml.SyntaxError
		var mismatch *yaml.TypeError
		if line := s.tabbed(); line > 0 && errors.As(err, &syntax) && syntax.GetToken().Position.Line == line {
			return nil, s.at(line, 1, "the line is indented with a tab, which YAML does not allow: indent with spaces")
		}
		if errors.As(err, &mismatch) { // the library has no word for a null where a text is wanted
			err = cmp.Or(checkValues(file), err)
		}
		return nil, located(s.path, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, &Error{Path: s.path, Reason: "holds several documents (---): a job file is one"}
	}
	if broken != nil {
		return nil, located(s.path, broken)
	}
	if err := checkValues(file); err != nil {
		return nil, located(s.path, err)
	}
	return job, nil
}

func unreadable(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	if errors.Is(err, syscall.EISDIR) {
		err = fmt.Errorf("%w: name data with --input", err)
	}
	return &Error{Path: path, Reason: fmt.Sprintf("the job file cannot be read: %v", err)}
}

// located puts file, line and column before the message and the source with a caret below it. The source may hold a
// URL with a user and a password: no job may have them, and none is shown.
func located(path string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return &Error{Path: path, Reason: err.Error()}
	}
	_, source, _ := strings.Cut(at.FormatError(false, true), "\n")
	p := at.GetToken().Position
	return &Error{
		Path:   fmt.Sprintf("%s:%d:%d", path, p.Line, p.Column),
		Reason: strings.TrimRight(cutShort(plainly(at))+"\n"+shown(source), "\n "),
	}
}

// mostShown is the longest source under a message, in bytes.
const mostShown = 2 << 10

// shown is a source as it is under a message, nothing where it is too long to be looked at.
func shown(source string) string {
	if len(source) > mostShown {
		return ""
	}
	return display.WithoutUser(source)
}

// cutShort returns a message without the middle of a value that is too long to be looked at.
func cutShort(message string) string {
	const kept = 200
	if text := []rune(message); len(text) > 3*kept {
		return string(text[:kept]) + "..." + string(text[len(text)-kept:])
	}
	return message
}

// plainly says in a user's words what the library says in the words of Go.
func plainly(err yaml.Error) string {
	var mismatch *yaml.TypeError
	var node *yaml.UnexpectedNodeTypeError
	var overflow *yaml.OverflowError
	switch {
	case errors.As(err, &mismatch):
		return fmt.Sprintf("expected %s, got %s", noun(mismatch.DstType), noun(mismatch.SrcType))
	case errors.As(err, &overflow):
		return fmt.Sprintf("%s is out of the range of a number here", overflow.SrcNum)
	case errors.As(err, &node) && node.Expected == ast.MappingType:
		return "expected a mapping, as in `key: value`"
	case errors.As(err, &node) && node.Expected == ast.SequenceType:
		return "expected a list, as in [a, b]"
	}
	return err.GetMessage()
}

func noun(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct, reflect.Pointer:
		return "a mapping"
	default:
		return "a number"
	}
}

func misplaced(node ast.Node, format string, args ...any) error {
	return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: node.GetToken()}
}

// Size is a number of bytes, in YAML as 1048576, 64MiB or 64MB.
type Size int64

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (s *Size) UnmarshalYAML(node ast.Node) error {
	n, err := ParseSize(text(node))
	if err != nil {
		return misplaced(node, "%v", err)
	}
	*s = n
	return nil
}

// ParseSize reads a size as in a job file.
func ParseSize(v string) (Size, error) {
	n, err := humanize.ParseBytes(v)
	if number, parsed := strconv.ParseFloat(v, 64); err == nil && parsed == nil && number != math.Trunc(number) {
		return 0, fmt.Errorf("%q is not a whole number of bytes: write 1048576, 64MiB or 1GiB", v)
	}
	if err != nil || n > 1<<62 || n == 0 {
		return 0, fmt.Errorf("%q is not a size: write 1048576, 64MiB or 1GiB", v)
	}
	return Size(n), nil
}

// Duration is a time span, in YAML as 60s or 1m30s.
type Duration time.Duration

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	v, err := time.ParseDuration(text(node))
	if err != nil || v <= 0 {
		return misplaced(node, "%q is not a time span: write 60s or 1m30s", text(node))
	}
	*d = Duration(v)
	return nil
}

// Path is one root of the input.
type Path struct {
	Name string `yaml:"name"`
	Path string `yaml:"path"`

	// Dated says that a {date} of the job is in Path: where nothing exists, that date has no input.
	Dated bool `yaml:"-"`
}

// Paths is a list of roots, in YAML a string, a list of strings, or a list of {name, path}.
type Paths []Path

// Strings are the paths without their names.
func (p Paths) Strings() []string {
	var paths []string
	for i := range p {
		paths = append(paths, p[i].Path)
	}
	return paths
}

// String lists the paths for messages.
func (p Paths) String() string { return strings.Join(p.Strings(), ", ") }

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (p *Paths) UnmarshalYAML(node ast.Node) error {
	list := []ast.Node{node}
	if s, is := node.(*ast.SequenceNode); is {
		list = s.Values
	}
	*p = nil
	for _, item := range list {
		var root Path
		switch item.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			if err := yaml.NodeToValue(item, &root, yaml.Strict()); err != nil {
				return err
			}
		case *ast.StringNode, *ast.LiteralNode, *ast.IntegerNode, *ast.FloatNode:
			root.Path = text(item)
		default:
			return misplaced(item, "a path must be a string or {name: ..., path: ...}")
		}
		if root.Path == "" {
			return misplaced(item, "the path is empty")
		}
		*p = append(*p, root)
	}
	return nil
}

// text is a scalar as it was written, without quotes.
func text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value)
	default:
		return node.String()
	}
}
