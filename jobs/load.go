package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"graphscore/pipeline/display"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// maxJobBytes is far more than any job: what is larger is another file by mistake.
const maxJobBytes = 1 << 20

// Load reads a job file. It fills no defaults and validates nothing but the form: flags come in between. The
// error is an *Error.
func Load(path string) (*Job, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxJobBytes+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(text) > maxJobBytes {
		return nil, &Error{Path: path, Reason: "is larger than 1 MiB: name a job file"}
	}
	job := &Job{}
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := decoder.Decode(job); err != nil && !errors.Is(err, io.EOF) {
		return nil, located(path, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, &Error{Path: path, Reason: "holds several documents (---): a job file is one"}
	}
	job.Path = path
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, unreadable(path, err)
	}
	job.resolve(dir)
	return job, nil
}

func unreadable(path string, err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
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
		Reason: strings.TrimRight(plainly(at)+"\n"+display.WithoutUser(source), "\n "),
	}
}

// plainly says in a user's words what the library says in the words of Go.
func plainly(err yaml.Error) string {
	var mismatch *yaml.TypeError
	if !errors.As(err, &mismatch) {
		return err.GetMessage()
	}
	return fmt.Sprintf("expected %s, got %s", noun(mismatch.DstType), noun(mismatch.SrcType))
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

	// Dated says that a {date} of the job stands in Path: where there is nothing, that date has no input.
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
