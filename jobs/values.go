package jobs

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// checkValues refuses what the library takes silently in a job that it could decode: keys without a value, empty
// texts, tags, and numbers that are texts or have a fraction where only whole ones make sense. The error has a place.
func checkValues(file *ast.File) error {
	if file == nil { // it could not be parsed
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.NullType { // a file of comments
			if err := checkValue(doc.Body, doc.Body, "the job", reflect.TypeFor[Job]()); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkValue checks the value of a key. place is the key's node, and t what the value is for, nil where that is not
// known.
func checkValue(place, node ast.Node, key string, t reflect.Type) error {
	if t == reflect.TypeFor[Columns]() { // which has values of its own
		return nil
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := node.(type) {
	case *ast.AnchorNode:
		return checkValue(place, n.Value, key, t)
	case *ast.TagNode:
		return misplaced(n, "%s has the tag %s: a job has no tags, write the value alone", key, n.Start.Value)
	case *ast.NullNode:
		return misplaced(place, "%s has no value: write one, or take the key out", key)
	case *ast.StringNode:
		if n.Value == "" {
			return misplaced(n, "%s is empty: write a value, or take the key out", key)
		}
	case *ast.MappingNode:
		for _, pair := range n.Values {
			if err := checkPair(pair, key, t); err != nil {
				return err
			}
		}
		return nil
	case *ast.MappingValueNode:
		return checkPair(n, key, t)
	case *ast.SequenceNode:
		for i, item := range n.Values {
			if err := checkValue(item, item, fmt.Sprintf("%s[%d]", key, i), element(t)); err != nil {
				return err
			}
		}
		return nil
	}
	return checkNumber(node, key, t)
}

func checkPair(pair *ast.MappingValueNode, above string, t reflect.Type) error {
	if _, merged := pair.Key.(*ast.MergeKeyNode); merged {
		return checkValue(pair.Key, pair.Value, above, t)
	}
	name := text(pair.Key)
	key := name
	if t != reflect.TypeFor[Job]() {
		key = above + "." + name
	}
	return checkValue(pair.Key, pair.Value, key, field(t, name))
}

// checkNumber refuses what is no number where t is one, and a fraction where t is an integer.
func checkNumber(node ast.Node, key string, t reflect.Type) error {
	if t == nil || reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.NodeUnmarshaler]()) {
		return nil
	}
	whole := t.Kind() == reflect.Int || t.Kind() == reflect.Int64
	if !whole && t.Kind() != reflect.Float64 {
		return nil
	}
	switch n := node.(type) {
	case *ast.FloatNode:
		if whole && n.Value != math.Trunc(n.Value) {
			return misplaced(n, "%s is %s: it must be a whole number", key, text(n))
		}
	case *ast.StringNode, *ast.LiteralNode:
		v, err := strconv.ParseFloat(text(n), 64)
		switch plain := n.GetToken().Type == token.StringType; {
		case !plain:
			return misplaced(n, "%s is the text %q: write a number without quotes", key, text(n))
		case err == nil && whole && v != math.Trunc(v): // 1e-3 is a text for the library, and then a number
			return misplaced(n, "%s is %s: it must be a whole number", key, text(n))
		}
	case *ast.InfinityNode, *ast.NanNode:
		return misplaced(n, "%s is %s: write a finite number", key, text(n))
	}
	return nil
}

// field is the type of the field of a struct that has a key of YAML, nil where there is none.
func field(t reflect.Type, key string) reflect.Type {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); tag == key {
			return t.Field(i).Type
		}
	}
	return nil
}

// element is the type of the elements of a slice, nil where t is none.
func element(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() != reflect.Slice {
		return nil
	}
	return t.Elem()
}
