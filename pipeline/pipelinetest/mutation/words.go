package mutation

import (
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// lengths are numbers that overflow, or ask for much.
var lengths = []uint32{0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7ffffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}

// texts are what files of text are changed by.
var texts = []string{
	"\x1b[31m", "\a", "\r", "\u009b2J", "\u202e", "\u2028", "\x7f", "\x00", "\xff\xfe", "\n", "\t", `"`, `'`, `\`, `\u001b[2J`, `\ud800`,
	"[[[[", "}}", "{", ": ", "- ", "&a *a ", "<<: *a\n", "null", "-1", "1e999", "9223372036854775808", "NaN", "!!binary ", "%", "# ", "|\n",
	strings.Repeat("[", 300), strings.Repeat("9", 400), strings.Repeat("{\"a\":", 100), "../../../etc/passwd",
}

// traces are what no user may see.
var traces = regexp.MustCompile(`(?i)panic|goroutine|runtime error|stack trace|\.go:\d+|%!|<nil>`)

func sorted(seeds map[string][]byte) []string { return slices.Sorted(maps.Keys(seeds)) }

func checksum(content []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(content)
	return h.Sum32()
}
