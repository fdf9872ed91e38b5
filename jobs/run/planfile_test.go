package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/display"
	"graphscore/readers"
)

// A plan is written file by file, with the bytes that it would have as a whole.
func TestPlanFileByFiles(t *testing.T) {
	t.Parallel()
	odd := readers.ListedFile{Path: `a<b>&","files":null,` + "\u2028", Shards: []readers.ListedShard{{Part: "é.parquet", Rows: 2}, {}}}
	for _, files := range [][]readers.ListedFile{nil, {}, {odd}, {{}, odd, {}}} {
		p := &PlanFile{Version: "1", Job: `,"files":null`, Input: readers.Listing{Files: files, Unread: []string{`"files":null`}}}
		whole, err := display.CompactJSON(p)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := p.encode(&got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(whole), got.String()); d != "" {
			t.Error(d)
		}
		file := filepath.Join(t.TempDir(), "plan.json")
		if err := p.Write(file); err != nil {
			t.Fatal(err)
		}
		written, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(planHead+checksum(whole)+planMid+string(whole)+planTail, string(written)); d != "" {
			t.Error(d)
		}
		if plan, ok := asWritten(written); !ok || !bytes.Equal(plan, whole) {
			t.Error("the plan is not taken as it was written")
		}
	}
}

// A plan that is decoded file by file is what the library makes of it, and all else is left to the library.
func TestPlanFileDecoded(t *testing.T) {
	t.Parallel()
	shard := readers.ListedShard{Part: "a/b.rg00000-00001.parquet", FirstGroup: 1, LastGroup: -1, FirstRow: 2, Rows: 3, Bytes: 1 << 40}
	odd := readers.ListedFile{Path: `a<b>&","files":null,\` + "\u2028\x01é", Fingerprint: "fast:0", Shards: []readers.ListedShard{{Part: `"`, Rows: 2}, shard}}
	plain := readers.ListedFile{Input: 1, Path: "a/b.parquet", Size: 5, Fingerprint: "full:1", Rows: 3, Groups: 2, Shards: []readers.ListedShard{shard}}
	for _, tc := range []struct {
		files []readers.ListedFile
		ok    bool
	}{
		{[]readers.ListedFile{plain}, true},
		{[]readers.ListedFile{odd, plain, odd}, true},
		{nil, false},
		{[]readers.ListedFile{}, false},
		{[]readers.ListedFile{plain, {Path: "without shards"}}, false},
	} {
		p := &PlanFile{Version: "1", Job: `,"files":[`, Date: "2026", Input: readers.Listing{Files: tc.files, Layout: "rows", Unread: []string{`"files":[`}}}
		whole, err := display.CompactJSON(p)
		if err != nil {
			t.Fatal(err)
		}
		var want, got PlanFile
		if err := json.Unmarshal(whole, &want); err != nil {
			t.Fatal(err)
		}
		if ok := got.decode(whole); ok != tc.ok {
			t.Errorf("decoded %t of %s", ok, whole)
		} else if ok && !reflect.DeepEqual(got, want) {
			t.Errorf("decoded %+v, not %+v", got, want)
		}
		for i := range whole { // what is decoded is what the library makes of it, whatever byte changed
			changed := bytes.Clone(whole)
			changed[i] = "\",0-}]\x1f\xff\\"[i%9]
			var want, got PlanFile
			if got.decode(changed) && (json.Unmarshal(changed, &want) != nil || !reflect.DeepEqual(got, want)) {
				t.Fatalf("decoded otherwise than the library does: %s", changed)
			}
		}
	}
}

// A plan that is not as it is written is left to the library: with files twice, under another key, or elsewhere.
func TestPlanFileDecodedOnlyAsWritten(t *testing.T) {
	t.Parallel()
	list := func(names ...string) []readers.ListedFile {
		var files []readers.ListedFile
		for _, name := range names {
			files = append(files, readers.ListedFile{Path: name, Shards: []readers.ListedShard{{Part: name, Rows: 1}}})
		}
		return files
	}
	encoded := func(v any) string {
		b, err := display.CompactJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	p := &PlanFile{Version: "1", Input: readers.Listing{Files: list("a", "b")}}
	whole, files, others := encoded(p), `"files":`+encoded(list("a", "b")), encoded(list("c"))
	for name, plan := range map[string]string{
		"twice":               strings.Replace(whole, files, files+`,"files":`+others, 1),
		"twice, empty":        strings.Replace(whole, files, files+`,"files":[]`, 1),
		"twice, null":         strings.Replace(whole, files, files+`,"files":null`, 1),
		"twice, nothing said": strings.Replace(whole, files, files+`,"files":[{}]`, 1),
		"another case":        strings.Replace(whole, files, files+`,"Files":`+others, 1),
		"another case before": strings.Replace(whole, files, `"Files":`+others+","+files, 1),
		"another letter":      strings.Replace(whole, files, files+`,"file\u017f":`+others, 1),
		"escaped":             strings.Replace(whole, files, files+`,"\u0066iles":`+others, 1),
		"top level":           "{" + files + "," + strings.Replace(whole, files, `"files":`+others, 1)[1:],
		"settings":            strings.Replace(strings.Replace(whole, files, `"Files":`+others, 1), `"settings":{`, `"settings":{`+files+",", 1),
		"input twice":         whole[:len(whole)-1] + `,"input":{"files":` + others + "}}",
		"input twice, empty":  whole[:len(whole)-1] + `,"input":{"files":null}}`,
		"input null":          whole[:len(whole)-1] + `,"input":null}`,
		"trailing":            whole + " x",
	} {
		if plan == whole {
			t.Errorf("%s: the plan is as it is written", name)
		}
		if (&PlanFile{}).decode([]byte(plan)) {
			t.Errorf("%s: decoded %s", name, plan)
		}
	}
	var got, want PlanFile
	if !got.decode([]byte(whole)) || json.Unmarshal([]byte(whole), &want) != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v of %s", got, whole)
	}
	damaged := strings.Replace(whole, files, files+`,"files":`+others, 1)
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(path, []byte(planHead+checksum([]byte(damaged))+planMid+damaged+planTail), 0o666); err != nil {
		t.Fatal(err)
	}
	var bad *PlanFileError // of another version, but read
	if _, err := ReadPlanFile(path); !errors.As(err, &bad) || !strings.Contains(bad.Reason, "made by graphscore 1") {
		t.Errorf("got %v", err)
	}
}
