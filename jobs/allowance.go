package jobs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/goccy/go-yaml/ast"
)

// Allowance is how many graphs of an input may have something: a share of them, in YAML with its percent sign as 0.1%,
// or a whole number.
type Allowance struct {
	// Share is from 0 to 1; it counts where Relative is true, and Graphs where it is not.
	Share    Share
	Relative bool
	Graphs   int64

	text string // as it was written
}

// ParseAllowance reads an allowance as in a job file.
func ParseAllowance(v string) (Allowance, error) {
	v = strings.TrimSpace(v)
	if strings.HasSuffix(v, "%") {
		share, err := ParseShare(v)
		if err != nil {
			return Allowance{}, err
		}
		return Allowance{Share: share, Relative: true, text: v}, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return Allowance{}, fmt.Errorf("%q is neither a share nor a whole number of graphs: write 0.1%% or 100", v)
	}
	return Allowance{Graphs: n, text: humanize.Comma(n)}, nil
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (a *Allowance) UnmarshalYAML(node ast.Node) error {
	v, err := ParseAllowance(text(node))
	if err != nil {
		return misplaced(node, "%v", err)
	}
	*a = v
	return nil
}

// Exceeded reports whether n of so many graphs are more than the allowance. An allowance that is nil has no bound.
func (a *Allowance) Exceeded(n, graphs int64) bool {
	switch {
	case a == nil || n <= 0:
		return false
	case a.Relative: // a quotient: 0.00007 times 100,000 is less than 7
		return float64(n)/float64(graphs) > float64(a.Share)
	default:
		return n > a.Graphs
	}
}

// String is the allowance as a job file has it.
func (a *Allowance) String() string { return a.text }
