package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/faulttest"
)

// reported is a row of every case.
func reported() []faulttest.Row {
	var rows []faulttest.Row
	for _, cases := range [][]fault{faults, promises} {
		for _, f := range cases {
			rows = append(rows, faulttest.Row{Case: f.number, How: "by hand", Outcome: "0", Times: 2, File: "a/b_test.go", Test: "TestB",
				Tally: &faulttest.Tally{Graphs: 5}})
		}
	}
	return rows
}

func TestWrite(t *testing.T) {
	t.Parallel()
	rows := reported()
	text, err := write(rows)
	if err != nil {
		t.Fatal(err)
	}
	if want := "| <a id=\"case-11b\"></a>**11b** "; !strings.Contains(text, want) {
		t.Errorf("no %q", want)
	}
	if want := " | by hand | 2 | 0 | 5 | 0 | 0 | [`TestB`](../a/b_test.go) |\n"; !strings.Contains(text, want) {
		t.Errorf("no %q", want)
	}
	if _, err := write(rows[1:]); err == nil || err.Error() != "case 1 (kill -9 at a random time) has no row" {
		t.Errorf("%v", err)
	}
}

func TestComparedPages(t *testing.T) {
	t.Parallel()
	text, err := write(reported())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*faulttest.Row)
		want   string
	}{
		"numbers": {func(r *faulttest.Row) { r.Times, r.Tally = 7, &faulttest.Tally{Graphs: 9} }, ""},
		"outcome": {func(r *faulttest.Row) { r.Outcome = "3" }, "the page lacks: "},
		"how":     {func(r *faulttest.Row) { r.How = "otherwise" }, "no test reports: "},
		"test":    {func(r *faulttest.Row) { r.Test = "TestC" }, "the page lacks: "},
	} {
		rows := reported()
		test.change(&rows[3])
		now, err := write(rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(text, now); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	put := func(name, content string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := read(folder); err == nil || !strings.Contains(err.Error(), "make reliability") {
		t.Errorf("of an empty folder: %v", err)
	}
	put("a.json", `{"case": "1", "how": "h", "outcome": "0", "times": 2, "graphs": 5, "file": "f", "test": "TestA/one"}`)
	put("b.json", `{"case": "1", "how": "h", "outcome": "0", "times": 3, "graphs": 6, "file": "f", "test": "TestA/two"}`)
	put("c.json", `{"case": "30", "how": "h", "outcome": "-", "times": 1, "file": "g", "test": "test_a[x]"}`)
	rows, err := read(folder)
	if err != nil || len(rows) != 2 || rows[0].Times != 5 || rows[0].Graphs != 11 || rows[1].Tally != nil || rows[1].Test != "test_a" {
		t.Errorf("%v: %+v", err, rows)
	}
	put("d.json", `{"case": "99", "test": "TestB"}`)
	if _, err := read(folder); err == nil || !strings.Contains(err.Error(), `case "99"`) {
		t.Errorf("of an unknown case: %v", err)
	}
}

// The page of the checkout has a row for every case. That each is what its test reports is for `make reliability-check`.
func TestPageHasEveryCase(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("../../..", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, cases := range [][]fault{faults, promises} {
		for _, f := range cases {
			if !strings.Contains(string(text), `<a id="case-`+strings.ToLower(f.number)+`"></a>**`+f.number+"** "+f.what) {
				t.Errorf("no row of case %s: %s", f.number, f.what)
			}
		}
	}
}
