package cli

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
)

// line is a count with its name before it and a note behind it.
func line(b *strings.Builder, what string, n int64, note string) {
	b.WriteString(strings.TrimRight(fmt.Sprintf("  %-12s %13s  %s", what, humanize.Comma(n), note), " ") + "\n")
}

// some is a line, unless there is nothing to count.
func some(b *strings.Builder, what string, n int64, note string) {
	if n > 0 {
		line(b, what, n, note)
	}
}
