package atomic

import (
	"fmt"
	"path"
	"strings"
)

// Temporary files are ".graphscore-<number>.tmp" beside the file they become: short, as the names of parts may
// have all the length that the file system allows. With a tag they are ".graphscore-<tag>-<number>.tmp".
const (
	tempPrefix = ".graphscore-"
	tempSuffix = ".tmp"
)

// tempName is the name of a temporary file. The tag may be empty.
func tempName(tag string, number int64) string {
	if tag != "" {
		tag += "-"
	}
	return fmt.Sprintf("%s%s%d%s", tempPrefix, tag, number, tempSuffix)
}

// IsTemp reports whether the last element of a name is that of a temporary file of this package.
func IsTemp(name string) bool {
	_, ok := tempTag(name)
	return ok
}

// tempTag returns the tag in the name of a temporary file, empty where it has none.
func tempTag(name string) (tag string, ok bool) {
	number, ok := strings.CutPrefix(path.Base(name), tempPrefix)
	if !ok {
		return "", false
	}
	if number, ok = strings.CutSuffix(number, tempSuffix); !ok {
		return "", false
	}
	if before, after, tagged := strings.Cut(number, "-"); tagged {
		tag, number = before, after
		if !isTag(tag) {
			return "", false
		}
	}
	return tag, number != "" && strings.Trim(number, "0123456789") == ""
}

// isTag reports whether a text is a tag: small letters and digits, a letter first.
func isTag(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return s != "" && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789") == ""
}
