package record

import (
	"encoding/json"
	"io"
	"path/filepath"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/writers/atomic"
)

// Submission is the record of a submit: which arrays an engine was handed for an output, and what became of them. It is
// written before each array is handed over, after the engine has answered, and at the end: a second submit reads it to
// continue. Every key is always there.
type Submission struct {
	// SubmitID is of the form of a run id.
	SubmitID string `json:"submit_id"`
	// Name is that of the job, Job the path of its file.
	Name   string `json:"name"`
	Job    string `json:"job"`
	Engine string `json:"engine"`
	// Dates are those of a backfill, each an output with shards of its own, and Window is what was asked for: empty for a
	// single output.
	Dates  []string `json:"dates"`
	Window string   `json:"window"`
	// Shards is how many an output has, Plan the path of the plan that all of them have, or of the folder with those of
	// the dates.
	Shards int `json:"shards"`
	// Balance says which parts are those of a shard.
	Balance string `json:"balance"`
	Plan    string `json:"plan"`
	// Command is what a shard runs, without --plan and --shard.
	Command []string `json:"command"`
	// Line is the command line of the submission.
	Line []string `json:"line"`
	// Started and Finished are UTC in RFC 3339. Finished is empty in one that has not ended.
	Started  string `json:"started"`
	Finished string `json:"finished"`
	// ExitCode is that of the submission, or NotEnded; that of the output is in the record of who finished it.
	ExitCode int    `json:"exit_code"`
	Error    string `json:"error"`
	Version  string `json:"version"`
	// Rounds are the arrays of the first round and of each one that submitted shards again.
	Rounds []Round `json:"rounds"`
	// Failed are the shards that were given up.
	Failed []FailedShard `json:"failed"`
}

// PlanOf is the path of the plan of the output of a date; of a submission of a single output it is the plan of all dates.
func (s *Submission) PlanOf(date string) string {
	if len(s.Dates) == 0 {
		return s.Plan
	}
	return filepath.Join(s.Plan, date+suffix)
}

// Round is what was submitted at once.
type Round struct {
	Arrays []Array `json:"arrays"`
	// Locked: what lacks parts after it ended with 75, as something else held the output. It does not count as a try.
	Locked bool `json:"locked"`
}

// Array is an array job of an engine.
type Array struct {
	// Name is unique among all submissions: it is how an array is found whose id was lost.
	Name string `json:"name"`
	// ID is the engine's, "" before it answered.
	ID string `json:"id"`
	// Offset is added to the index of a task to have its shard; shard s of the date at place d is d*Shards+s.
	Offset int `json:"offset"`
	// Indices are those of the tasks, in ascending order.
	Indices []int `json:"indices"`
	// Script is the path of the script as it was submitted.
	Script string `json:"script"`
}

// FailedShard is a shard that was given up, and why.
type FailedShard struct {
	// Date is that of its output, "" where there is one output.
	Date  string `json:"date"`
	Shard int    `json:"shard"`
	// ExitCode is that of its last task, or NotEnded where no engine and no record knows it.
	ExitCode int `json:"exit_code"`
	// Node is where it ran, Why the engine's word for how it ended.
	Node string `json:"node"`
	Why  string `json:"why"`
	// Log is the path of its log, LastLine the last line in it.
	Log      string `json:"log"`
	LastLine string `json:"last_line"`
}

// Complete returns a copy with empty lists where a field is nil. It shares the rest with s.
func (s *Submission) Complete() Submission {
	full := *s
	full.Rounds, full.Failed, full.Command, full.Line, full.Dates = list(s.Rounds), list(s.Failed), list(s.Command), list(s.Line), list(s.Dates)
	return full
}

// Encode writes the complete record as indented JSON with a newline at its end.
func (s *Submission) Encode(w io.Writer) error { return display.JSON(w, s.Complete()) }

// Submissions are the records of submissions in the _runs of a folder: "" those of the output that the folder is, else a
// word for the dates of a job below it, which others may share.
type Submissions string

// prefix comes before the id in the names of a submission's record and of the folder beside it.
func (s Submissions) prefix() string {
	if s == "" {
		return "submit-"
	}
	return "submit-" + string(s) + "-"
}

// Folder is that of plan, scripts and logs of a submission, below the folder that has the _runs.
func (s Submissions) Folder(id string) string { return Dir + "/" + s.prefix() + id }

// File is the record of a submission, below the same folder.
func (s Submissions) File(id string) string { return s.Folder(id) + suffix }

// Write writes the record of a submission below a folder, in the place of one of the same id. Only who holds the lock of
// submissions may call it. Errors are *atomic.CreateError or *atomic.IOError.
func (s Submissions) Write(folder *atomic.Folder, rec *Submission) error {
	return write(folder, s.File(rec.SubmitID), rec)
}

// has reports whether a file name is that of the record of a submission.
func (s Submissions) has(base string) bool {
	id, ours := strings.CutPrefix(base, s.prefix())
	return ours && IsName(id)
}

// List returns the records of submissions in a folder by path, newest first. A folder without any, even one that does not
// exist, has none. The error is an *atomic.IOError.
func (s Submissions) List(dir string) ([]string, error) { return byName(dir, s.has) }

// Unfinished returns the newest submission in a folder that has not ended, nil where there is none. A record that cannot be
// read is an error: its arrays may be at work.
func (s Submissions) Unfinished(dir string) (*Submission, error) {
	files, err := s.List(dir)
	if err != nil {
		return nil, err
	}
	for _, file := range files { // two of one second are in any order
		rec, err := ReadSubmission(file)
		if err != nil || rec.Finished == "" {
			return rec, err
		}
	}
	return nil, err
}

// ReadSubmission reads the record of a submission. The error is an *atomic.IOError, or a *Error for anything else.
func ReadSubmission(file string) (*Submission, error) {
	content, err := readSmall(file, sizeLimit)
	if err != nil {
		return nil, err
	}
	rec := &Submission{}
	if err := json.Unmarshal(content, rec); err != nil || rec.SubmitID == "" {
		return nil, &Error{file, "it does not hold the JSON of a submission"}
	}
	return rec, nil
}
