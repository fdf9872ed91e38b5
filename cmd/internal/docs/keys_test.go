//go:build docs

package docs

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"graphscore/jobs"
	"graphscore/pipeline/diff"
	"graphscore/writers/record"
)

// objects are what tables of keys describe, by the name in their mark.
func objects() map[string]reflect.Type {
	return map[string]reflect.Type{
		"run record": reflect.TypeFor[record.Run](), "counts": reflect.TypeFor[record.Counts](),
		"backfill record": reflect.TypeFor[record.Backfill](), "comparison": reflect.TypeFor[diff.Report](),
	}
}

var code = regexp.MustCompile("`([^`]+)`")

// TestKeys: a table of keys has all of its object, and no others.
func TestKeys(t *testing.T) {
	t.Parallel()
	left := objects()
	for _, p := range pages(t) {
		for i := range p.blocks {
			b := &p.blocks[i]
			name, is := strings.CutPrefix(b.mark, "keys ")
			if !is {
				continue
			}
			object, known := left[name]
			if !known {
				t.Errorf("%s: unknown or described twice: %q", b.where(), name)
				continue
			}
			delete(left, name)
			want := keys(object, "json")
			for row := range strings.Lines(b.text) {
				for _, m := range code.FindAllStringSubmatch(strings.SplitN(row, "|", 3)[1], -1) {
					if !want[m[1]] && !strings.HasPrefix(row, "| key of ") {
						t.Errorf("%s: %s has no key %q, or it is there twice", b.where(), name, m[1])
					}
					delete(want, m[1])
				}
			}
			for key := range want {
				t.Errorf("%s: %s has a key %q, too", b.where(), name, key)
			}
		}
	}
	for name := range left {
		t.Errorf("no page describes the keys of %q", name)
	}
}

// keys are the names of the fields of a struct.
func keys(object reflect.Type, tag string) map[string]bool {
	found := map[string]bool{}
	for i := range object.NumField() {
		if name, _, _ := strings.Cut(object.Field(i).Tag.Get(tag), ","); name != "-" && name != "" {
			found[name] = true
		}
	}
	return found
}

// TestJobKeys: jobs/README.md describes every key of a job file.
func TestJobKeys(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "jobs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range paths(reflect.TypeFor[jobs.Job](), "") {
		last := key[strings.LastIndexByte(key, '.')+1:]
		described := strings.Contains(string(text), "`"+key+"`")
		for _, parent := range []string{"gates.", "input.columns."} { // have places of their own
			described = described || strings.HasPrefix(key, parent) && strings.Contains(string(text), "`"+strings.TrimPrefix(key, parent)+"`")
		}
		if !described {
			t.Errorf("jobs/README.md does not describe %s (%s)", key, last)
		}
	}
}

// paths are the keys of a job that have values of their own.
func paths(object reflect.Type, above string) (all []string) {
	for i := range object.NumField() {
		field := object.Field(i)
		name := field.Tag.Get("yaml")
		if name == "-" || name == "" {
			continue
		}
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			if below := paths(inner, above+name+"."); len(below) > 0 {
				all = append(all, below...)
				continue
			}
		}
		all = append(all, above+name)
	}
	return all
}
