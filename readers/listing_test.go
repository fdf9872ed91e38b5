package readers_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/display"
	"graphscore/readers"
)

// listed plans an input, and makes the plan again of what a file keeps of it.
func listed(t *testing.T, cfg readers.Config) (plan, again *readers.Plan) {
	t.Helper()
	plan, err := readers.NewPlan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	again, err = readers.Planned(cfg, kept(t, plan))
	if err != nil {
		t.Fatal(err)
	}
	return plan, again
}

// kept is a listing as it comes back from a file.
func kept(t *testing.T, plan *readers.Plan) *readers.Listing {
	t.Helper()
	l, err := plan.Listing()
	if err != nil {
		t.Fatal(err)
	}
	content, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var back readers.Listing
	if err := json.Unmarshal(content, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

// A plan that comes back from a file has the shards, gaps and kinds of ids that it had, under every kind of root, and reads
// the same graphs.
func TestListing(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"in/a.parquet": "v1_zstd.parquet", "in/d/b.arrow": "file_lz4.arrow", "in/c.parquet": ":no file", "in/e.parquet.tmp": "v1_zstd.parquet",
		"in/_f.parquet": "v1_zstd.parquet", "other/a.parquet": "v1_zstd.parquet",
	})
	in := filepath.Join(root, "in")
	for name, inputs := range map[string][]readers.Input{
		"a folder": {{Path: in}}, "a glob": {{Path: filepath.Join(in, "**", "*.*")}}, "a file": {{Path: filepath.Join(in, "a.parquet")}},
		"two roots": {{Name: "x", Path: in}, {Name: "y", Path: filepath.Join(root, "other", "a.parquet")}}, "a name": {{Name: "x", Path: in}},
	} {
		plan, again := listed(t, readers.Config{Inputs: inputs, ShardBytes: 1})
		if diff := cmp.Diff(parts(plan), parts(again)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(plan.Present(), again.Present()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if plan.GraphIDs != again.GraphIDs || plan.NodeIDs != again.NodeIDs || plan.Rows != again.Rows || plan.HasWeights != again.HasWeights ||
			len(plan.Refused) != len(again.Refused) || len(plan.Places()) != len(again.Places()) || !cmp.Equal(plan.LeftOut, again.LeftOut) {
			t.Errorf("%s: another plan", name)
		}
		for i, f := range plan.Files {
			if again.Files[i].Path != f.Path || again.Files[i].Rel != f.Rel {
				t.Errorf("%s: %s is %s", name, f.Path, again.Files[i].Path)
			}
		}
		if err := again.Confirm(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := readAll(t.Context(), plan, 3)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t.Context(), again, 3)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(contents{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What is not what it was when it was planned is said, file by file; what a task does not read is not looked at.
func TestListingChanged(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.parquet": "v1_zstd.parquet", "b.parquet": "v1_zstd.parquet", "c.parquet": "v1_zstd.parquet"})
	cfg := readers.Config{Inputs: []readers.Input{{Path: root}}}
	_, again := listed(t, cfg)
	replace := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	replace("b.parquet", "no file")
	if err := os.Remove(filepath.Join(root, "c.parquet")); err != nil {
		t.Fatal(err)
	}
	places := again.Places()
	for i, want := range []string{"", "b.parquet is not what was planned", "c.parquet is not what was planned: it does not exist any more"} {
		err := again.Only(places[i : i+1]).Confirm(t.Context())
		var changed *readers.ChangedError
		if want == "" && err != nil || want != "" && (!errors.As(err, &changed) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d: %v, want %q", i, err, want)
		}
	}
	l := kept(t, again)
	for want, other := range map[string]readers.Config{
		"input is":          {Inputs: []readers.Input{{Path: filepath.Join(root, "a.parquet")}}},
		"number of inputs":  {Inputs: []readers.Input{{Name: "x", Path: root}, {Name: "y", Path: root}}},
		"input.shard_bytes": {Inputs: cfg.Inputs, ShardBytes: 7},
		"input.fingerprint": {Inputs: cfg.Inputs, Fingerprint: readers.FingerprintFull},
		"--limit":           {Inputs: cfg.Inputs, Limit: 3},
		"input.require":     {Inputs: cfg.Inputs, Require: "_SUCCESS"},
	} {
		_, err := readers.Planned(other, l)
		var changed *readers.ChangedError
		if !errors.As(err, &changed) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// A text of a plan file that commands a terminal, or turns the direction of writing, is escaped where it is named.
func TestListingIsHarmless(t *testing.T) {
	t.Parallel()
	cfg := readers.Config{Inputs: []readers.Input{{Path: tree(t, map[string]string{"a.parquet": "v1_zstd.parquet"})}}}
	plan, _ := listed(t, cfg)
	for _, text := range []string{"\x1b[2J", "a\u2028b", "a\u202eb", "\x7f", "a\nb", "\xff"} {
		for name, change := range map[string]func(l *readers.Listing){
			"path":        func(l *readers.Listing) { l.Inputs[0].Path += text },
			"columns":     func(l *readers.Listing) { l.Columns = map[string]string{"node_feat": text} },
			"layout":      func(l *readers.Listing) { l.Layout = text },
			"require":     func(l *readers.Listing) { l.Require = text },
			"fingerprint": func(l *readers.Listing) { l.Fingerprint = text },
		} {
			l := kept(t, plan)
			change(l)
			_, err := readers.Planned(cfg, l)
			var changed *readers.ChangedError
			if !errors.As(err, &changed) || display.Line(err.Error()) != err.Error() {
				t.Errorf("%s %q: %q", name, text, err)
			}
		}
	}
}

// What came to the input after the plan was made is counted, be it finished or not; what was known is not.
func TestLater(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.parquet": "v1_zstd.parquet", "b.parquet": ":no file", "c.parquet.tmp": "v1_zstd.parquet", "_d": ":left out"})
	cfg := readers.Config{Inputs: []readers.Input{{Path: root}}}
	_, plan := listed(t, cfg)
	cfg.Limit = 1
	_, limited := listed(t, cfg)
	for i, name := range []string{"", "_e.parquet", "f.parquet", "g.parquet.tmp"} {
		if name != "" {
			if err := os.WriteFile(filepath.Join(root, name), []byte("PAR1"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := plan.Later(t.Context()); n != max(i-1, 0) || err != nil {
			t.Errorf("%d files came with %q, %v", n, name, err)
		}
	}
	if n, err := limited.Later(t.Context()); n != 0 || err != nil {
		t.Errorf("%d files are not in a plan with a limit, %v", n, err)
	}
}

// Places are sorted by path, those of files that cannot be read, or are not finished, among those of shards.
func TestPlaces(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.parquet": "v1_zstd.parquet", "b.parquet": ":no file", "c.parquet": "v1_zstd.parquet", "d.parquet.tmp": "v1_zstd.parquet", "e.parquet": "v1_zstd.parquet"})
	plan, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: root}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range plan.Places() {
		switch {
		case p.Gap == nil:
			got = append(got, plan.Shards[p.Shard].Part)
		case p.Gap.Refused != nil:
			got = append(got, "refused "+p.Gap.Rel)
		default:
			got = append(got, "unfinished "+p.Gap.Rel)
		}
	}
	if want := []string{"a.parquet", "refused b.parquet", "c.parquet", "unfinished d.parquet.tmp", "e.parquet"}; !slices.Equal(got, want) {
		t.Errorf("places %v, want %v", got, want)
	}
	only := plan.Only(plan.Places()[1:4])
	if len(only.Files) != 1 || len(only.Shards) != 1 || len(only.Refused) != 1 || len(only.LeftOut.Unfinished) != 1 || only.Rows != plan.Shards[1].Rows ||
		len(only.Present()) != len(plan.Present()) {
		t.Errorf("%+v", only)
	}
}
