package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"graphscore/writers/atomic"
)

// Task is one of several processes that fill an output at once: number Index, from 0, of Count. On the command line it is
// --shard INDEX/COUNT.
type Task struct {
	Index int `json:"index"`
	Count int `json:"count"`
}

// String is INDEX/COUNT.
func (t Task) String() string { return fmt.Sprintf("%d/%d", t.Index, t.Count) }

// Name is the task in the names of files.
func (t Task) Name() string { return fmt.Sprintf("%d-of-%d", t.Index, t.Count) }

// Check returns an error for an index that is outside the count.
func (t Task) Check() error {
	if t.Index < 0 || t.Index >= t.Count {
		return fmt.Errorf("shard %d/%d is none: shards count from 0 to the count less one", t.Index, t.Count)
	}
	return nil
}

// ParseTask returns the task that [Task.Name] has written.
func ParseTask(name string) (t Task, ok bool) {
	first, last, _ := strings.Cut(name, "-of-")
	var errs [2]error
	t.Index, errs[0] = strconv.Atoi(first)
	t.Count, errs[1] = strconv.Atoi(last)
	return t, errors.Join(errs[:]...) == nil && t.Check() == nil && t.Name() == name
}

// TaskDir is the folder of an output that holds the records of tasks, and TaskSuffix the end of their names.
const (
	TaskDir    = Dir + "/shards"
	TaskSuffix = suffix
)

// TaskRun is the record of a process of several that fill an output at once: of its parts alone.
type TaskRun struct {
	Run
	Task Task `json:"shard"`
	// Balance says which parts are those of the task.
	Balance string `json:"balance"`
	// Attempts says who made parts: the process itself, and earlier ones of the task, as far as their parts are planned still.
	Attempts []Attempt `json:"attempts"`
	// Withdrawn are the inputs of which the process has shown that all their graphs are read wrongly: no part of them may stay.
	Withdrawn []Withdrawn `json:"withdrawn"`
}

// Attempt is what one process of a task has made, and in which circumstances.
type Attempt struct {
	RunID     string   `json:"run_id"`
	Model     Model    `json:"model"`
	Machine   Machine  `json:"machine"`
	Limits    Limits   `json:"limits"`
	Workers   int      `json:"workers"`
	Addresses []string `json:"addresses"`
	Made      []Made   `json:"made"`
}

// Made is a part that a process has made, or could not make.
type Made struct {
	Part string `json:"part"`
	// Fingerprint is that of the input.
	Fingerprint string `json:"fingerprint"`
	// Outcome is "scored" or "refused", and Reason says why a file was refused.
	Outcome string  `json:"outcome"`
	Seconds float64 `json:"seconds"`
	Reason  string  `json:"reason"`
}

// Withdrawn is an input, as footers name it, with its fingerprint.
type Withdrawn struct {
	Input       string `json:"input"`
	Fingerprint string `json:"fingerprint"`
}

// NewAttempt returns the attempt of a run, which has made nothing yet.
func NewAttempt(r *Run) Attempt {
	full := r.Complete()
	return Attempt{
		RunID: full.RunID, Model: full.Model, Machine: full.Machine, Limits: full.Limits, Workers: full.Workers,
		Addresses: full.Addresses, Made: []Made{},
	}
}

// Encode writes the complete record as indented JSON with a newline at its end.
func (r *TaskRun) Encode(w io.Writer) error {
	full := *r
	full.Run, full.Attempts, full.Withdrawn = r.Complete(), list(r.Attempts), list(r.Withdrawn)
	full.Shards = []Shard{}
	return encode(w, full, r.Shards)
}

// WriteTask writes the record of a task below an output, over the last one of the task.
func WriteTask(output *atomic.Folder, rec *TaskRun) error {
	return write(output, TaskDir+"/"+rec.Task.Name()+suffix, rec)
}

// Tasks returns the tasks of which an output has a record, in the order of their names. The error is an *atomic.IOError.
func Tasks(dir string) ([]Task, error) {
	at := filepath.Join(dir, filepath.FromSlash(TaskDir))
	entries, err := os.ReadDir(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: at, Err: err}
	}
	var tasks []Task
	for _, e := range entries {
		base, is := strings.CutSuffix(e.Name(), suffix)
		if t, ok := ParseTask(base); is && ok && e.Type().IsRegular() {
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// passed is a list of JSON that is passed over.
type passed struct{}

// UnmarshalJSON implements [json.Unmarshaler].
func (*passed) UnmarshalJSON(value []byte) error {
	if len(value) > 0 && value[0] == '[' || string(value) == "null" {
		return nil
	}
	return errNoList
}

var errNoList = errors.New("it is not a list")

// ReadTask reads the record of a task without its Shards: of those that it made, its Attempts have more. Errors are those of
// [Read].
func ReadTask(dir string, t Task) (*TaskRun, error) {
	file := filepath.Join(dir, filepath.FromSlash(TaskDir), t.Name()+suffix)
	content, err := readSmall(file, sizeLimit)
	if err != nil {
		return nil, err
	}
	var doc struct {
		TaskRun
		Shards passed `json:"shards"` // it lies less deep than that of the run
	}
	if json.Unmarshal(content, &doc) != nil || doc.RunID == "" || doc.Task != t {
		return nil, &Error{file, "it does not hold the JSON of one of shard " + t.String()}
	}
	return &doc.TaskRun, nil
}
