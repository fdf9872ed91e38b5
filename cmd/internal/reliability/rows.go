package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/faulttest"
)

// read reads the rows of a folder. Those of the subtests of a test that injected the same and came to the same are one.
func read(folder string) ([]faulttest.Row, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no test reported anything in %s: `make reliability` runs them", folder)
	}
	merged := map[string]*faulttest.Row{}
	var order []string
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var r faulttest.Row
		if err := json.Unmarshal(content, &r); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if !known(r.Case) {
			return nil, fmt.Errorf("%s: %s reports case %q, which cases.go does not have", r.File, r.Test, r.Case)
		}
		r.Test, _, _ = strings.Cut(r.Test, "/")
		r.Test, _, _ = strings.Cut(r.Test, "[") // of pytest
		key := strings.Join([]string{r.Case, r.How, r.Outcome, r.File, r.Test}, "\x00")
		if first, is := merged[key]; is {
			add(first, r)
			continue
		}
		merged[key], order = &r, append(order, key)
	}
	slices.Sort(order)
	rows := make([]faulttest.Row, len(order))
	for i, key := range order {
		rows[i] = *merged[key]
	}
	return rows, nil
}

func add(to *faulttest.Row, r faulttest.Row) {
	to.Times += r.Times
	switch {
	case r.Tally == nil:
	case to.Tally == nil:
		to.Tally = r.Tally
	default:
		to.Add(r.Tally)
	}
}

func known(number string) bool {
	has := func(f fault) bool { return f.number == number }
	return slices.ContainsFunc(faults, has) || slices.ContainsFunc(promises, has)
}
