// Command reliability writes .github/RELIABILITY.md from what the tests reported: a folder of rows, see
// pipeline/faulttest, which `make test test-faults` fills.
//
//	go run ./cmd/internal/reliability ROWS            # writes the page; `make reliability`
//	go run ./cmd/internal/reliability -check ROWS     # fails where the page differs; `make reliability-check`
//
// Numbers differ from run to run, such as how often a test could kill a program before it was done: the check compares
// all else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"graphscore/pipeline/display"
)

const page = ".github/RELIABILITY.md"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "reliability:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("reliability", flag.ContinueOnError)
	check := flags.Bool("check", false, "compare the page, write nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: reliability [-check] ROWS")
	}
	rows, err := read(flags.Arg(0))
	if err != nil {
		return err
	}
	text, err := write(rows)
	if err != nil {
		return err
	}
	if !*check {
		return os.WriteFile(page, []byte(text), 0o666)
	}
	committed, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	if err := compare(string(committed), text); err != nil {
		return fmt.Errorf("%s is not what the tests report: `make reliability` writes it anew\n%w", page, err)
	}
	fmt.Fprintf(out, "%s is what the tests report: %s\n", page, display.Plural(int64(len(rows)), "row"))
	return nil
}
