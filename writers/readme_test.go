package writers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// TestReadmeNamesEveryKey compares the format specification with what is written.
func TestReadmeNamesEveryKey(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("README.md")
	must(t, err)
	spec := string(content)
	names := map[string]bool{SuccessName: true, ReportName: true, lockName: true}
	for _, v := range []any{record.Run{}, record.Backfill{}, part.Settings{}, Holder{}} {
		jsonKeys(reflect.TypeOf(v), names)
	}
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	p, err := o.Create(t.Context(), part.Spec{Part: "a.parquet", Input: "a", Rows: 1})
	must(t, err)
	must(t, p.Reject(t.Context(), graph.Rejection{Code: graph.Refused}))
	must(t, p.Commit(t.Context()))
	line, err := os.ReadFile(filepath.Join(cfg.Dir, part.QuarantineName("a.parquet")))
	must(t, err)
	var keys map[string]any
	must(t, json.Unmarshal(line, &keys))
	for key := range keys {
		names[key] = true
	}
	pf, err := file.OpenParquetFile(filepath.Join(cfg.Dir, "a.parquet"), false)
	must(t, err)
	defer pf.Close()
	for _, kv := range pf.MetaData().KeyValueMetadata() {
		names[kv.GetKey()] = true
	}
	for name := range names {
		if !strings.Contains(spec, "`"+name+"`") {
			t.Errorf("README.md does not specify `%s`", name)
		}
	}
	if !names["graphscore.format"] || !names["blas"] || !names["row_group"] || !names["graphscore.quarantine_sha256"] {
		t.Errorf("too few names: %v", names)
	}
}

// jsonKeys adds the JSON keys of a struct and of those within it.
func jsonKeys(typ reflect.Type, names map[string]bool) {
	switch typ.Kind() {
	case reflect.Slice, reflect.Map:
		jsonKeys(typ.Elem(), names)
	case reflect.Struct:
		for i := range typ.NumField() {
			if key, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ","); key != "" {
				names[key] = true
				jsonKeys(typ.Field(i).Type, names)
			}
		}
	}
}
