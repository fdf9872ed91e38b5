package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"graphscore/pipeline/faulttest"
)

const head = `<!-- Made by make reliability from what the tests report. Not edited by hand. -->
# What graphscore survives

Each row is what a test injected for real, and what came of it: exit codes first. Times, graphs, lost and duplicated are
counts of the tests, of the run that wrote this page: graphs are those that were in the inputs and had to come out, as
scores or in quarantine. They are counted in the parts and quarantine files; where a test compares the bytes of an output
that was counted before, each comparison counts its graphs. A dash says that the fault comes before any graph. "The same
bytes" compares every part and quarantine file with those of an undisturbed run. A graph that is lost or comes out twice,
or another outcome, fails the test: nothing here is unexplained. ` + "`make reliability`" + ` runs the tests and writes this page; CI
fails where it differs from what they report, or a case has no row.
`

const columns = `
| case | how it is injected | times | outcome | graphs | lost | duplicated | test |
| --- | --- | --- | --- | --- | --- | --- | --- |
`

// write returns the page of some rows. Every case needs one.
func write(rows []faulttest.Row) (string, error) {
	var b strings.Builder
	b.WriteString(head)
	var total faulttest.Tally
	times := 0
	for _, r := range rows {
		times += r.Times
		if r.Tally != nil {
			total.Add(r.Tally)
		}
	}
	fmt.Fprintf(&b, "\nIn all: %d faults injected, %d graphs counted, %d lost, %d duplicated.\n", times, total.Graphs, total.Lost, total.Duplicated)
	b.WriteString("\n## Faults\n")
	err := table(&b, faults, rows)
	b.WriteString("\n## Promises without a fault\n")
	err = errors.Join(err, table(&b, promises, rows))
	b.WriteString("\n## What cannot be met\n\n")
	for _, sentence := range unmet {
		fmt.Fprintf(&b, "- %s\n", sentence)
	}
	return b.String(), err
}

func table(b *strings.Builder, cases []fault, rows []faulttest.Row) error {
	b.WriteString(columns)
	var missing []error
	for _, f := range cases {
		own := slices.DeleteFunc(slices.Clone(rows), func(r faulttest.Row) bool { return r.Case != f.number })
		if len(own) == 0 {
			missing = append(missing, fmt.Errorf("case %s (%s) has no row", f.number, f.what))
		}
		for i, r := range own {
			first := ""
			if i == 0 {
				first = fmt.Sprintf(`<a id="case-%s"></a>**%s** %s. Due: %s`, strings.ToLower(f.number), f.number, f.what, f.expected)
			}
			graphs, lost, duplicated := "–", "–", "–"
			if r.Tally != nil {
				graphs, lost, duplicated = fmt.Sprint(r.Graphs), fmt.Sprint(r.Lost), fmt.Sprint(r.Duplicated)
			}
			cells := []string{first, r.How, fmt.Sprint(r.Times), r.Outcome, graphs, lost, duplicated,
				fmt.Sprintf("[`%s`](%s)", r.Test, path.Join("..", r.File))}
			for i, cell := range cells {
				cells[i] = strings.ReplaceAll(cell, "|", `\|`)
			}
			fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
	return errors.Join(missing...)
}

// lasting is a page without the numbers that may differ from run to run.
func lasting(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), " | ")
		switch {
		case strings.HasPrefix(line, "In all: "):
			continue
		case len(cells) == 8:
			cells = []string{cells[0], cells[1], cells[3], cells[7]}
		}
		lines = append(lines, strings.Join(cells, " | "))
	}
	return lines
}

// compare says where two pages differ, but for their numbers.
func compare(committed, reported string) error {
	was, now := lasting(committed), lasting(reported)
	var differ []error
	for _, line := range now {
		if !slices.Contains(was, line) {
			differ = append(differ, fmt.Errorf("the page lacks: %s", line))
		}
	}
	for _, line := range was {
		if !slices.Contains(now, line) {
			differ = append(differ, fmt.Errorf("no test reports: %s", line))
		}
	}
	if len(differ) == 0 && !slices.Equal(was, now) {
		return errors.New("its lines are in another order")
	}
	return errors.Join(differ...)
}
