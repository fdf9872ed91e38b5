// Command house counts the shape of the tree: for each folder of Go, and for the Python package, its files, lines and
// floors, the arrows between its files, and those that run upward.
//
//	go run ./cmd/internal/house [DIR]      # the top of a checkout, by default this one; `make house`
//
// An arrow leads from a file to another one of its folder of which it uses a name: a function, type, variable,
// constant, method or field. Files are in an order in which as few arrows as possible run upward, from a file to one
// above it; without circles none does. The floor of a file is one above the highest of those that it uses, arrows
// upward left out. The order inside a circle is found by greedy choice and then by moving single files: it is good, and
// the same each time, but not proven to be the best.
//
// Tests, generated code and files for other systems are not counted. For Python an arrow is an import.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := count(context.Background(), dir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "house:", err)
		os.Exit(1)
	}
}

// count writes the table of the checkout at dir.
func count(ctx context.Context, dir string, out io.Writer) error {
	folders, err := goFolders(ctx, dir)
	if err != nil {
		return err
	}
	python, err := pythonModules(filepath.Join(dir, "python", "src", "graphscore"))
	if err != nil {
		return err
	}
	fmt.Fprint(out, "| folder | lines | files | floors | file arrows | of them upward |\n| --- | --- | --- | --- | --- | --- |\n")
	var all row
	for _, f := range append(folders, python) {
		r := f.row()
		fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %d |\n", f.name, r.lines, r.files, r.floors, r.arrows, r.upward)
		all.lines, all.files, all.arrows, all.upward = all.lines+r.lines, all.files+r.files, all.arrows+r.arrows, all.upward+r.upward
	}
	fmt.Fprintf(out, "| all | %d | %d | | %d | %d |\n", all.lines, all.files, all.arrows, all.upward)
	return nil
}
