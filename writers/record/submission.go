package record

import (
	"encoding/json"
	"io"
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
	// Shards is how many there are, Plan the path of the plan that all of them have.
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

// Round is what was submitted at once.
type Round struct {
	Arrays []Array `json:"arrays"`
}

// Array is an array job of an engine.
type Array struct {
	// Name is unique among all submissions: it is how an array is found whose id was lost.
	Name string `json:"name"`
	// ID is the engine's, "" before it answered.
	ID string `json:"id"`
	// Offset is added to the index of a task to have its shard.
	Offset int `json:"offset"`
	// Indices are those of the tasks, in ascending order.
	Indices []int `json:"indices"`
	// Script is the path of the script as it was submitted.
	Script string `json:"script"`
}

// FailedShard is a shard that was given up, and why.
type FailedShard struct {
	Shard int `json:"shard"`
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
	full.Rounds, full.Failed, full.Command, full.Line = list(s.Rounds), list(s.Failed), list(s.Command), list(s.Line)
	return full
}

// Encode writes the complete record as indented JSON with a newline at its end.
func (s *Submission) Encode(w io.Writer) error { return display.JSON(w, s.Complete()) }

// submitPrefix comes before the id in the names of a submission's record and of the folder beside it.
const submitPrefix = "submit-"

// SubmissionFolder is the folder of plan, scripts and logs of a submission, below an output.
func SubmissionFolder(id string) string { return Dir + "/" + submitPrefix + id }

// WriteSubmission writes _runs/submit-<id>.json below an output, in the place of one of the same id. Only who holds the
// lock of submissions may call it. Errors are *atomic.CreateError or *atomic.IOError.
func WriteSubmission(output *atomic.Folder, rec *Submission) error {
	return write(output, SubmissionFolder(rec.SubmitID)+suffix, rec)
}

// isSubmission reports whether a file name is that of the record of a submission.
func isSubmission(base string) bool {
	id, ours := strings.CutPrefix(base, submitPrefix)
	return ours && IsName(id)
}

// ListSubmissions returns the records of submissions in an output by path, newest first. An output without any, even one
// that does not exist, has none. The error is an *atomic.IOError.
func ListSubmissions(dir string) ([]string, error) { return byName(dir, isSubmission) }

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
