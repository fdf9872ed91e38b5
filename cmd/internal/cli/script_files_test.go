package cli

import (
	"context"
	"flag"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"graphscore/jobs/jobtest"
)

// weights FILE NAME...: writes the weights of a model, see jobtest.Weights.
func weights(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: weights FILE NAME ...")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), jobtest.Weights(args[1:]...), 0o600))
}

// graphs FILE COUNT [options] writes an input, see jobtest.Graphs.
func graphs(ts *testscript.TestScript, _ bool, args []string) {
	in := jobtest.NewGraphs()
	var bad string
	flags := flag.NewFlagSet("graphs", flag.ContinueOnError)
	flags.Int64Var(&in.From, "from", 0, "id of the first graph, and its number")
	flags.IntVar(&in.Width, "width", in.Width, "features of a node")
	flags.IntVar(&in.Group, "group", in.Group, "graphs in a row group")
	flags.BoolVar(&in.Text, "text", false, "graph ids are texts")
	flags.BoolVar(&in.Names, "names", false, "nodes have names")
	flags.BoolVar(&in.Weights, "weights", false, "edges have weights, all 1")
	flags.BoolVar(&in.Edges, "edges", false, "edges have features and types, graphs have features")
	flags.Int64Var(&in.First, "first", 0, "what edges call the first node")
	flags.BoolVar(&in.Arrow, "arrow", false, "write an Arrow file")
	flags.StringVar(&in.Features, "features", in.Features, "name of the column with the features")
	flags.StringVar(&bad, "bad", "", "ROW=WHAT,...: nan, edge, width, count, null or twice")
	if len(args) < 2 {
		ts.Fatalf("usage: graphs FILE COUNT [options]")
	}
	ts.Check(flags.Parse(args[2:]))
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	for _, one := range strings.FieldsFunc(bad, func(r rune) bool { return r == ',' }) {
		row, what, _ := strings.Cut(one, "=")
		n, err := strconv.Atoi(row)
		ts.Check(err)
		in.Bad[n] = what
	}
	ts.Check(in.WriteFile(ts.MkAbs(args[0]), count))
}

// cut FILE BYTES keeps only so many bytes of a file, or all but so many where BYTES is negative.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if size < 0 {
		info, err := os.Stat(name)
		ts.Check(err)
		size += info.Size()
	}
	ts.Check(os.Truncate(name, size))
}

// rows FILE prints a part as a table.
func rows(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(jobtest.PrintRows(context.Background(), ts.Stdout(), ts.MkAbs(args[0])))
}

// sums DIR prints the sha256 of every part and quarantine file.
func sums(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(jobtest.PrintSums(ts.Stdout(), ts.MkAbs(args[0])))
}
