package record

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// Run is the record of a run. It says what a run was and how it went. Every key is always there: Encode puts empty lists and objects
// where a field is nil. It never holds a secret.
type Run struct {
	RunID string `json:"run_id"`
	// Name is that of the job.
	Name string `json:"name"`
	// Started and Finished are UTC in RFC 3339.
	Started  string `json:"started"`
	Finished string `json:"finished"`
	// Seconds is the whole run, from process start; StartupSeconds the part of it before the first scoring
	// request.
	Seconds        float64 `json:"seconds"`
	StartupSeconds float64 `json:"startup_seconds"`
	ExitCode       int     `json:"exit_code"`
	// Error is the message of the run, empty where all went well.
	Error string `json:"error"`

	Host         string `json:"host"`
	PID          int    `json:"pid"`
	Version      string `json:"version"`
	GoVersion    string `json:"go_version"`
	ArrowVersion string `json:"arrow_version"`
	GRPCVersion  string `json:"grpc_version"`

	Model     Model    `json:"model"`
	Protocol  string   `json:"protocol"`
	Workers   int      `json:"workers"`
	Addresses []string `json:"addresses"`
	// Machine and Limits are what graphs that are in quarantine for reasons of the moment depend on.
	Machine Machine `json:"machine"`
	Limits  Limits  `json:"limits"`

	// Inputs are the roots of the input.
	Inputs []string `json:"inputs"`
	// ColumnsRead are the names of the columns that are read, by what they are read for: most often one each.
	ColumnsRead    map[string][]string `json:"columns_read"`
	Output         string              `json:"output"`
	Settings       part.Settings       `json:"settings"`
	SettingsDigest string              `json:"settings_digest"`

	// Previous is the output that scores can be compared with: what gates.drift names, or that of an earlier date.
	// It is empty where there was none with a _SUCCESS.
	Previous string `json:"previous"`
	// Gates has one entry for each gate of the job, none for one that is not set.
	Gates []Gate `json:"gates"`

	Counts            Counts           `json:"counts"`
	QuarantinedByCode map[string]int64 `json:"quarantined_by_code"`
	Refused           []RefusedFile    `json:"refused"`
	// LeftOut counts the names below a folder or a glob that were not read, by rule.
	LeftOut LeftOut `json:"left_out"`
	// Orphaned are the parts that were kept though their input does not exist any more, Pruned those that were removed.
	Orphaned []string `json:"orphaned"`
	Pruned   []string `json:"pruned"`
	Stages   Stages   `json:"stages"`
	// Throughput says how many graphs were done when, at most SamplesKept times, the last at the end of the run.
	// It is empty where the run scored nothing.
	Throughput []Sample   `json:"throughput"`
	PeakMemory PeakMemory `json:"peak_memory"`
	Shards     []Shard    `json:"shards"`
	// Array has an entry for each process, of several that filled the output at once, whose record this one joins.
	Array []Member `json:"array"`
}

// Member is one process of several that filled an output at once.
type Member struct {
	// Index and Count are those of its [Task].
	Index          int        `json:"index"`
	Count          int        `json:"count"`
	RunID          string     `json:"run_id"`
	Host           string     `json:"host"`
	Started        string     `json:"started"`
	Finished       string     `json:"finished"`
	Seconds        float64    `json:"seconds"`
	StartupSeconds float64    `json:"startup_seconds"`
	ExitCode       int        `json:"exit_code"`
	Error          string     `json:"error"`
	Engine         string     `json:"engine"`
	BLAS           string     `json:"blas"`
	Counts         Counts     `json:"counts"`
	PeakMemory     PeakMemory `json:"peak_memory"`
}

// Member is what the record of a joined run has of the task.
func (r *TaskRun) Member() Member {
	return Member{
		Index: r.Task.Index, Count: r.Task.Count, RunID: r.RunID, Host: r.Host, Started: r.Started, Finished: r.Finished, Seconds: r.Seconds,
		StartupSeconds: r.StartupSeconds, ExitCode: r.ExitCode, Error: r.Error, Engine: r.Model.Engine, BLAS: r.Model.BLAS,
		Counts: r.Counts, PeakMemory: r.PeakMemory,
	}
}

// Gate is a gate of the job and how it ended.
type Gate struct {
	// Name is its key below gates in the job file, such as min_graphs or drift.psi.
	Name string `json:"name"`
	// Output is the score column that is farthest off, empty where the gate is not about scores.
	Output string `json:"output"`
	// Limit and Value are shares, graphs, seconds, or what package diff measures. Value is 0 where nothing was
	// measured.
	Limit  float64 `json:"limit"`
	Value  float64 `json:"value"`
	Passed bool    `json:"passed"`
	// Message says why it failed and what to do, or what to know of a gate that passed, such as that there was
	// nothing to measure. Often it is empty.
	Message string `json:"message"`
}

// Model is what scored.
type Model struct {
	Name       string            `json:"name"`
	Digest     string            `json:"digest"`
	InFeatures int               `json:"in_features"`
	Level      string            `json:"level"`
	Inputs     Inputs            `json:"inputs"`
	Outputs    []string          `json:"outputs"`
	Engine     string            `json:"engine"`
	BLAS       string            `json:"blas"`
	Versions   map[string]string `json:"versions"`
}

// Inputs are the columns that the model reads beside the features of nodes: how many features or types, 0 for none.
type Inputs struct {
	EdgeAttr   int  `json:"edge_attr"`
	EdgeType   int  `json:"edge_type"`
	GraphAttr  int  `json:"graph_attr"`
	EdgeWeight bool `json:"edge_weight"`
	// EdgeWeightNeeded: a file without edge weights is refused, unless `weights: none` makes each of them 1.
	EdgeWeightNeeded bool `json:"edge_weight_needed"`
}

// Machine is where a run took place. What is not known is 0.
type Machine struct {
	// CPUs is the number that the process may use.
	CPUs int `json:"cpus"`
	// Memory is that of the machine, MemoryLimit that of the cgroup, 0 where it sets none.
	Memory      int64 `json:"memory_bytes"`
	MemoryLimit int64 `json:"memory_limit_bytes"`
}

// Limits are those of the job that decide whether a graph can be scored.
type Limits struct {
	// Deadline is that of one call, in seconds.
	Deadline     float64 `json:"deadline_seconds"`
	MessageBytes int64   `json:"message_bytes"`
}

// NewModel returns the record of a model. It shares the model's slice and map.
func NewModel(m *graph.Model) Model {
	return Model{
		Name: m.Name, Digest: m.Digest, InFeatures: m.InFeatures, Level: m.Level.String(), Outputs: m.Outputs,
		Inputs: Inputs{
			EdgeAttr: m.Inputs.EdgeWidth, EdgeType: m.Inputs.EdgeTypes, GraphAttr: m.Inputs.GraphWidth, EdgeWeight: m.Inputs.Weights,
			EdgeWeightNeeded: m.Inputs.NeedWeights,
		},
		Engine: m.Engine, BLAS: m.BLAS, Versions: m.Versions,
	}
}

// ShardSkipped is the outcome of a shard whose part was done before.
const ShardSkipped = "skipped"

// Counts are the sums of a run. RowsIn = Scored + Quarantined + Skipped. RowsPlanned is what RowsIn is once every
// planned shard has its part: the graphs of all files that could be planned.
type Counts struct {
	Files         int64 `json:"files"`
	FilesRefused  int64 `json:"files_refused"`
	Shards        int64 `json:"shards"`
	ShardsSkipped int64 `json:"shards_skipped"`
	RowsPlanned   int64 `json:"rows_planned"`
	RowsIn        int64 `json:"rows_in"`
	Scored        int64 `json:"scored"`
	Quarantined   int64 `json:"quarantined"`
	Skipped       int64 `json:"skipped"`
	Nodes         int64 `json:"nodes"`
	Edges         int64 `json:"edges"`
	Requests      int64 `json:"requests"`
	Retries       int64 `json:"retries"`
	Orphaned      int64 `json:"orphaned"`
}

// Add adds the counts of another run.
func (c *Counts) Add(o *Counts) {
	c.Files += o.Files
	c.FilesRefused += o.FilesRefused
	c.Shards += o.Shards
	c.ShardsSkipped += o.ShardsSkipped
	c.RowsPlanned += o.RowsPlanned
	c.RowsIn += o.RowsIn
	c.Scored += o.Scored
	c.Quarantined += o.Quarantined
	c.Skipped += o.Skipped
	c.Nodes += o.Nodes
	c.Edges += o.Edges
	c.Requests += o.Requests
	c.Retries += o.Retries
	c.Orphaned += o.Orphaned
}

// RefusedFile is an input that could not be read, and why.
type RefusedFile struct {
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Stages says where the time went. Stages overlap, so the sum may exceed the run.
type Stages struct {
	Read      float64 `json:"read_seconds"`
	Pack      float64 `json:"pack_seconds"`
	Transport float64 `json:"transport_seconds"`
	Model     float64 `json:"model_seconds"`
	Write     float64 `json:"write_seconds"`
	// Cut is the readers' share of Pack; ReadWait is what readers waited for room, WriteWait what collectors
	// waited for answers. Elapsed is the time in which all this happened.
	Cut       float64 `json:"cut_seconds"`
	ReadWait  float64 `json:"read_wait_seconds"`
	WriteWait float64 `json:"write_wait_seconds"`
	Elapsed   float64 `json:"elapsed_seconds"`
}

// SamplesKept is the largest number of samples in a record.
const SamplesKept = 120

// Sample is a moment of a run: seconds since its start, and the graphs that were scored or quarantined by then.
type Sample struct {
	Seconds float64 `json:"seconds"`
	Graphs  int64   `json:"graphs"`
}

// PeakMemory is in bytes, 0 where it is not known.
type PeakMemory struct {
	Go      int64 `json:"go_bytes"`
	Workers int64 `json:"workers_bytes"`
}

// Shard is one shard of the plan.
type Shard struct {
	Part       string `json:"part"`
	Input      string `json:"input"`
	FirstGroup int    `json:"first_group"`
	LastGroup  int    `json:"last_group"`
	// Outcome is "scored", ShardSkipped, "refused" or "failed".
	Outcome     string  `json:"outcome"`
	RowsIn      int64   `json:"rows_in"`
	Scored      int64   `json:"scored"`
	Quarantined int64   `json:"quarantined"`
	Nodes       int64   `json:"nodes"`
	Seconds     float64 `json:"seconds"`
	Reason      string  `json:"reason"`
}

// Complete returns a copy with empty lists and objects where a field is nil. It shares the rest with r.
func (r *Run) Complete() Run {
	full := *r
	full.Addresses, full.Inputs, full.Model.Outputs = list(r.Addresses), list(r.Inputs), list(r.Model.Outputs)
	full.Settings.Outputs, full.Refused, full.Shards = list(r.Settings.Outputs), list(r.Refused), list(r.Shards)
	full.Settings.Columns, full.Model.Versions = object(r.Settings.Columns), object(r.Model.Versions)
	full.QuarantinedByCode, full.Throughput = object(r.QuarantinedByCode), list(r.Throughput)
	full.Gates, full.ColumnsRead = list(r.Gates), object(r.ColumnsRead)
	full.Orphaned, full.Pruned, full.Array = list(r.Orphaned), list(r.Pruned), list(r.Array)
	return full
}

// Encode writes the complete record as indented JSON with a newline at its end.
func (r *Run) Encode(w io.Writer) error {
	full := r.Complete()
	full.Shards = []Shard{}
	return encode(w, full, r.Shards)
}

// encode writes a record as [display.JSON] has it, shard by shard: of many shards the text is never in memory as a whole.
// without is the record with an empty list of shards.
func encode(w io.Writer, without any, shards []Shard) error {
	const key = "\n  \"shards\": [" // a key of the outermost object: no text in JSON has a line break
	var b bytes.Buffer
	if err := display.JSON(&b, without); err != nil {
		return err
	}
	head, tail, _ := bytes.Cut(b.Bytes(), []byte(key+"]"))
	if len(shards) == 0 {
		_, err := w.Write(b.Bytes())
		return err
	}
	if _, err := fmt.Fprintf(w, "%s%s", head, key); err != nil {
		return err
	}
	var one bytes.Buffer
	e := json.NewEncoder(&one)
	e.SetEscapeHTML(false)
	e.SetIndent("    ", "  ")
	for i := range shards {
		one.Reset()
		if i > 0 {
			one.WriteByte(',')
		}
		one.WriteString("\n    ")
		if err := e.Encode(&shards[i]); err != nil {
			return err
		}
		one.Truncate(one.Len() - len("\n"))
		if _, err := io.WriteString(w, display.Harmless(one.String())); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n  ]%s", tail)
	return err
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func object[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// NewID names a run by its start and 8 random hexadecimal digits: ids are unique though the clock may step
// back, and sort by time.
func NewID(now time.Time, rand io.Reader) string {
	var random [4]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		n := now.Nanosecond() // the next best
		random = [4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
	}
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(random[:])
}

// kept is how many records of runs, and of backfills, stay.
const kept = 100

// Write writes _runs/<run id>.json below an output and removes all but the last 100 records of runs.
func Write(output *atomic.Folder, rec *Run) error {
	if rec.RunID == "" || strings.ContainsAny(rec.RunID, "/\\\x00") || rec.RunID[0] == '.' {
		return errors.New("writing a run record: it has no usable run id")
	}
	if err := write(output, Dir+"/"+rec.RunID+suffix, rec); err != nil {
		return err
	}
	return prune(output, Dir, IsName)
}

// write writes a record, whole or not at all.
func write(folder *atomic.Folder, name string, rec interface{ Encode(io.Writer) error }) error {
	f, err := folder.Stage(name)
	if err != nil {
		return err
	}
	if err = rec.Encode(f); err == nil {
		err = f.Commit()
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	return nil
}

// prune removes the oldest records in a folder by name.
func prune(folder *atomic.Folder, dir string, ours func(base string) bool) error {
	var names []string
	flat := func(string) bool { return false }
	err := folder.Walk(dir, flat, func(name string) error {
		if ours(path.Base(name)) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names[:max(len(names)-kept, 0)] {
		if err := folder.RemoveLater(name); err != nil {
			return err
		}
	}
	return nil
}

// Dir is the folder of records in an output.
const Dir = "_runs"

const suffix = ".json"

// IsName reports whether a file name is that of the record of a run, with an id that [NewID] makes.
func IsName(base string) bool {
	id, ok := strings.CutSuffix(base, suffix)
	if !ok || len(id) != len("20060102T150405Z-00000000") || id[16] != '-' {
		return false
	}
	if _, err := time.Parse("20060102T150405Z", id[:16]); err != nil {
		return false
	}
	_, err := hex.DecodeString(id[17:])
	return err == nil
}
