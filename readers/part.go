package readers

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"graphscore/readers/internal/column"
)

// maxElement leaves room for what writers put behind a part's name in a file system's 255 bytes.
const maxElement = 225

// badElement says why an element of a path cannot be one of a part's path, or "".
func badElement(e string) string {
	switch {
	case e == "" || e == "." || e == "..":
		return "has an element without a name"
	case len(e) > maxElement:
		return fmt.Sprintf("has a name of %d bytes, more than the %d that leave room for the names of its outputs", len(e), maxElement)
	case !utf8.ValidString(e):
		return "has a name that is not UTF-8"
	case strings.ContainsFunc(e, unicode.IsControl):
		return "has a control character in its name"
	}
	return ""
}

// checkRel says why the part of a file cannot be named, or "".
func checkRel(rel string) string {
	for e := range strings.SplitSeq(visible(rel), "/") {
		if why := badElement(e); why != "" {
			return fmt.Sprintf("the path of its part %s; rename it", why)
		}
	}
	return ""
}

// visible writes an underscore or a dot that an element begins with as %5F or %2E: readers of outputs skip such names.
func visible(rel string) string {
	elements := strings.Split(rel, "/")
	for i, e := range elements {
		switch {
		case strings.HasPrefix(e, "_"):
			elements[i] = "%5F" + e[1:]
		case strings.HasPrefix(e, "."):
			elements[i] = "%2E" + e[1:]
		}
	}
	return strings.Join(elements, "/")
}

// partOf is the part of a file that is one shard.
func partOf(rel string) string {
	rel = visible(rel)
	if strings.HasSuffix(rel, ".parquet") {
		return rel
	}
	return rel + ".parquet"
}

// partOfRange is the part of one of several shards of a file: groups first to last.
func partOfRange(rel string, first, last int) string {
	return fmt.Sprintf("%s.rg%05d-%05d.parquet", strings.TrimSuffix(partOf(rel), ".parquet"), first, last)
}

// checkParts refuses files and shards that would write to one part, or a part where another needs a folder.
func checkParts(files []found, shards []Shard) error {
	owners := make(map[string]string, len(files)+len(shards))
	claim := func(part, owner string) error {
		if other, taken := owners[part]; taken && other != owner {
			return &PlanError{owner, fmt.Sprintf("it and %s have the same part %s; rename one of them, or give each input its own root and name", column.Printable(other), part)}
		}
		owners[part] = owner
		return nil
	}
	for _, f := range files {
		if err := claim(partOf(f.rel), f.path); err != nil {
			return err
		}
	}
	for _, s := range shards {
		if err := claim(s.Part, s.File.Path); err != nil {
			return err
		}
	}
	for _, part := range slices.Sorted(maps.Keys(owners)) {
		for dir := path.Dir(part); dir != "."; dir = path.Dir(dir) {
			if other, taken := owners[dir]; taken {
				return &PlanError{owners[part], fmt.Sprintf("its part %s needs a folder where %s has its part; rename one of them", part, column.Printable(other))}
			}
		}
	}
	return nil
}
