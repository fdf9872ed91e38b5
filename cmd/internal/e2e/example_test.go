//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"math"
	"path/filepath"
	"testing"
)

// The example from end to end, opened as its users would.
func TestExample(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "out")
	r := run(t, 0, "run", absolute(t, example+"/job.yaml"), "--output", output, "--json").record(t)
	if r.Name != "molecules" || r.Counts.Scored != 4806 || r.Counts.RowsIn != 4806 || r.Counts.Nodes != 78057 || r.Counts.Files != 4 {
		t.Errorf("the record of %q counts %+v", r.Name, r.Counts)
	}
	if r.Model.Name != "molecule-charge" || r.Model.BLAS == "" || r.Model.Versions["numpy"] == "" || r.StartupSeconds <= 0 || r.Seconds <= r.StartupSeconds {
		t.Errorf("the record has model %+v, seconds %v and startup %v", r.Model, r.Seconds, r.StartupSeconds)
	}
	if r.PeakMemory.Go <= 0 || r.PeakMemory.Workers <= 0 {
		t.Errorf("peak memory is %+v", r.PeakMemory)
	}

	var got struct {
		Schema, DuckDB  map[string]string
		Nullable        []string
		Ordered, Finite bool
		Compression     string
		DuckDBRows      int `json:"duckdb_rows"`
		DatasetRows     int `json:"dataset_rows"`
		Atoms           int
		R2              float64
	}
	report := python(t, "read_output.py", output, absolute(t, example+"/data/held-back.parquet"))
	if err := json.Unmarshal([]byte(report), &got); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"graph_id": "string", "node_id": "int64", "charge": "float"}; !maps.Equal(got.Schema, want) {
		t.Errorf("pyarrow has columns %v, expected %v", got.Schema, want)
	}
	if want := map[string]string{"graph_id": "VARCHAR", "node_id": "BIGINT", "charge": "FLOAT"}; !maps.Equal(got.DuckDB, want) {
		t.Errorf("DuckDB has columns %v, expected %v", got.DuckDB, want)
	}
	if len(got.Nullable) > 0 || !got.Ordered || !got.Finite || got.Compression != "ZSTD" {
		t.Errorf("nullable %v, in the order of the input %v, finite %v, compression %s", got.Nullable, got.Ordered, got.Finite, got.Compression)
	}
	if got.DuckDBRows != 78057 || got.DatasetRows != 78057 {
		t.Errorf("DuckDB has %d rows, a dataset of pyarrow %d, expected 78057", got.DuckDBRows, got.DatasetRows)
	}
	if got.Atoms != 16274 || got.R2 < 0.98 || math.Abs(got.R2-0.98899) >= 1e-4 {
		t.Errorf("R2 is %v on %d atoms, expected 0.98899 on 16274", got.R2, got.Atoms)
	}
}
