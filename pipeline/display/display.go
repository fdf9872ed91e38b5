// Package display makes text for people and JSON for programs: the one copy of what commands, reports and records all
// need. Numbers with separators and sizes in bytes come from go-humanize.
package display

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// Width is the number of columns of a terminal that text is wrapped at.
const Width = 80

// Plural returns a number with its noun: "1 graph", "1,234 graphs". The noun must form its plural with an s.
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanize.Comma(n) + " " + noun + "s"
}

// Counts lists counts in the order of their names: "edge_out_of_range 2, too_large 1".
func Counts[K ~string](counts map[K]int64) string {
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %s", name, humanize.Comma(counts[name])))
	}
	return strings.Join(parts, ", ")
}

// Bytes returns a size in binary units: "1.5 GiB". What is negative counts as 0.
func Bytes[N int64 | float64](n N) string { return humanize.IBytes(uint64(max(n, 0))) }

// Percent returns a share between 0 and 1 with the digits that small and large ones need: "0%", "< 0.01%", "1.25%".
func Percent(share float64) string {
	p := 100 * share
	switch {
	case p == 0 || p == 100:
		return fmt.Sprintf("%.0f%%", p)
	case p < 0.01:
		return "< 0.01%"
	case p > 99.99:
		return "> 99.99%"
	}
	return fmt.Sprintf("%.2f%%", p)
}

// WholePercent returns a share between 0 and 1 without decimals: "87 %".
func WholePercent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// Duration returns a measured time, cut and not rounded: "0.42 s", "12.5 s", "3 min 07 s", "5 h 02 min".
func Duration(seconds float64) string {
	switch {
	case seconds >= 3600:
		return fmt.Sprintf("%d h %02d min", int(seconds)/3600, int(seconds)/60%60)
	case seconds >= 60:
		return fmt.Sprintf("%d min %02d s", int(seconds)/60, int(seconds)%60)
	case seconds >= 10:
		return fmt.Sprintf("%.1f s", seconds)
	}
	return fmt.Sprintf("%.2f s", seconds)
}

// Span returns a time span as a job file has it: 36h, not 36h0m0s.
func Span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Estimate returns an expected time, rounded to what an estimate can know: "0.8 s", "12 s", "3 min 20 s", "5 h 10 min".
func Estimate(seconds float64) string {
	switch whole := int64(seconds + 0.5); {
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case whole < 60:
		return fmt.Sprintf("%d s", whole)
	case whole < 3600:
		return fmt.Sprintf("%d min %d s", whole/60, whole%60)
	default:
		return fmt.Sprintf("%d h %d min", whole/3600, whole%3600/60)
	}
}

// Lines wraps a text at Width columns, cut between words; white space becomes one space. first and rest are the columns
// that the caller writes in front of the first line and of every other line. A word that is wider than a line is not
// cut. There is at least one line.
func Lines(text string, first, rest int) []string {
	var lines []string
	line, column := "", first
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i > 0 && column+1+n > Width:
			lines = append(lines, line)
			line, column = "", rest
		case i > 0:
			line += " "
			column++
		}
		line += word
		column += n
	}
	return append(lines, line)
}

// Paragraph returns a text behind a prefix, wrapped at Width columns, with a newline at its end. Lines after the first
// are indented by six columns.
func Paragraph(prefix, text string) string {
	const indent = "      "
	return prefix + strings.Join(Lines(text, utf8.RuneCountInString(prefix), len(indent)), "\n"+indent) + "\n"
}

// JSON writes v as indented JSON with a newline at its end. It does not escape <, > and &: no page embeds it. What a terminal
// could take as a command is escaped, as [Harmless] does.
func JSON(w io.Writer, v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, Harmless(b.String()))
	return err
}

// CompactJSON returns v as JSON on one line, without a newline and without escaping <, > and &.
func CompactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Cause returns an error of the os package without its operation and path, which messages name in their own way.
func Cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	case errors.As(err, &call):
		return call.Err
	}
	return err
}

// Raise returns which limit of the machine to raise where a call of the operating system met one, "" for any other error:
// nothing is wrong with what the call was about.
func Raise(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "allow more open files (ulimit -n)"
	case errors.Is(err, syscall.ENFILE):
		return "allow more open files on this machine (sysctl fs.file-max)"
	case errors.Is(err, syscall.ENOMEM):
		return "free some memory, or allow more (ulimit -v, memory.max)"
	}
	return ""
}

// WithoutUser masks users and passwords in the URLs of a text: "http://***@host".
func WithoutUser(text string) string {
	return user.ReplaceAllString(text, "://***@")
}

var user = regexp.MustCompile(`://[^/@\s]*@`)

// Harmless returns a text in which what a terminal could take as a command is escaped as in Go: control characters but
// newline and tab, marks that turn the direction of writing, and bytes that are not UTF-8.
func Harmless(text string) string {
	harmless := func(r rune) bool {
		return r == '\n' || r == '\t' || r >= ' ' && r < '\x7f' || !unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
	}
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !harmless(r) }) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "\\x%02x", text[i])
		case harmless(r):
			b.WriteRune(r)
		case r == '\x7f': // \x7f would be no escape of JSON
			b.WriteString(`\u007f`)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

var lineEnds = strings.NewReplacer("\n", `\n`, "\t", `\t`)

// Line is Harmless for a text that must stay on one line: newline and tab are escaped as well.
func Line(text string) string { return Harmless(lineEnds.Replace(text)) }

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// ShellWords writes arguments as a shell reads them.
func ShellWords(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if words[i] = a; !plainWord.MatchString(a) {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
