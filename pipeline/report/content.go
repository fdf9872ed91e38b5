package report

import (
	"cmp"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// Report is the content of a report. Lists are never nil, so that every key has its value in JSON.
type Report struct {
	// Output is the folder.
	Output string `json:"output"`
	Name   string `json:"name"`
	// State is one of the States.
	State State `json:"state"`
	// Summary is State in a sentence.
	Summary string `json:"summary"`
	// Level is what the scores of all parts belong to: node, edge or graph; empty where there is no part, or they differ.
	Level string `json:"level"`
	// Notes are sentences on what a reader should know before believing the rest.
	Notes []string `json:"notes"`

	// Run is nil where no record can be read.
	Run *Run `json:"run"`
	// Planned is the graphs of the files that the run planned, 0 where it is not known. Totals and Outcome describe the
	// output as it is now; Outcome has those of planned graphs that no part holds, as "not scored".
	Planned int64    `json:"planned_graphs"`
	Totals  Totals   `json:"totals"`
	Outcome []Reason `json:"outcome"`
	// Refused and Failed are inputs and shards of the run that gave no part; at most ShownProblems each.
	Refused      []Problem `json:"refused"`
	RefusedCount int       `json:"refused_count"`
	Failed       []Problem `json:"failed"`
	FailedCount  int       `json:"failed_count"`
	// Orphaned are parts whose input did not exist any more when the run ended, at most ShownProblems.
	Orphaned      []Problem `json:"orphaned"`
	OrphanedCount int       `json:"orphaned_count"`

	Throughput []Rate  `json:"throughput"`
	Stages     []Stage `json:"stages"`
	// Sizes are the rows of graphs, that is their nodes or edges with scores; nil where there is no graph, and where scores
	// belong to graphs.
	Sizes *Sizes `json:"sizes"`
	// Scores has one entry an output, at most ShownOutputs; OutputCount is that of the model.
	Scores      []Scores `json:"scores"`
	OutputCount int      `json:"output_count"`

	Slowest    []Shard          `json:"slowest_shards"`
	Quarantine []QuarantineCode `json:"quarantine"`

	// Gates are those of the job, as the run found them.
	Gates []Gate `json:"gates"`

	// Drift compares with Previous, empty where there is nothing to compare with. DriftNote says why ScoreDrift is
	// empty, where there was a run before.
	Previous   string       `json:"previous"`
	Drift      []Change     `json:"drift"`
	ScoreDrift []ScoreDrift `json:"score_drift"`
	DriftNote  string       `json:"drift_note"`
	// Recent are the last runs, newest first.
	Recent []Recent `json:"recent_runs"`

	Provenance []Fact `json:"provenance"`
}

// Unit is what a row of scores belongs to, in one word.
func (r *Report) Unit() string { return cmp.Or(r.Level, "row") }

// Extent is the number of nodes of scored graphs, or of edges where scores belong to these.
func (r *Report) Extent() string {
	if r.Level == graph.EdgeLevel.String() {
		return display.Plural(r.Totals.Rows, r.Level)
	}
	return display.Plural(r.Totals.Nodes, "node")
}

// State is the state of an output.
type State string

// The states of an output.
const (
	// Done: every graph was scored, at least one.
	Done State = "done"
	// Empty: the run ended well, but its input held no graph.
	Empty State = "empty"
	// Partly: the run ended, but graphs or files were not scored, a gate failed, or parts are of inputs that are gone.
	Partly State = "partly"
	// Broken: the run ended with an error.
	Broken State = "failed"
	// NotEnded: a run left no record: it goes on, or it was killed.
	NotEnded State = "not ended"
	// NoInput and NotBegun are states of a date that has no output.
	NoInput  State = "no input"
	NotBegun State = "not begun"
)

// Colour is how a state is shown: "good", "warn" or "bad".
func (s State) Colour() string {
	switch s {
	case Done:
		return "good"
	case Broken:
		return "bad"
	}
	return "warn"
}

// Run is the run that the report describes.
type Run struct {
	ID             string  `json:"id"`
	Started        string  `json:"started"`
	Finished       string  `json:"finished"`
	Seconds        float64 `json:"seconds"`
	StartupSeconds float64 `json:"startup_seconds"`
	ExitCode       int     `json:"exit_code"`
	// Meaning is that of the exit code.
	Meaning string `json:"meaning"`
	Error   string `json:"error"`
	// Scored and Quarantined are graphs of this run, Skipped those of parts that were done before.
	Scored      int64 `json:"scored"`
	Quarantined int64 `json:"quarantined"`
	Skipped     int64 `json:"skipped"`
	Requests    int64 `json:"requests"`
	Retries     int64 `json:"retries"`
	// PerSecond is graphs a second after the start-up.
	PerSecond float64 `json:"graphs_per_second"`
	// Memory is the peak of graphscore and its workers, in bytes, 0 where it is not known.
	Memory int64 `json:"peak_memory_bytes"`
}

// Totals are sums over the parts that exist.
type Totals struct {
	Parts       int64 `json:"parts"`
	Bytes       int64 `json:"bytes"`
	Graphs      int64 `json:"graphs"`
	Scored      int64 `json:"scored"`
	Quarantined int64 `json:"quarantined"`
	// Nodes are those of scored graphs, Rows those of parts: as many at level node.
	Nodes int64 `json:"nodes"`
	Rows  int64 `json:"rows"`
	// Unreadable is the number of files that should be parts but cannot be read, Missing that of parts that the run
	// wrote or found and that are gone.
	Unreadable int64 `json:"unreadable"`
	Missing    int64 `json:"missing"`
}

// Reason is what became of some graphs.
type Reason struct {
	// Name is "scored", a code of the quarantine, or "not scored" for graphs without a part.
	Name   string  `json:"name"`
	Graphs int64   `json:"graphs"`
	Share  float64 `json:"share"`
}

// Problem is an input or shard without a part.
type Problem struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Rate is the speed in one span of a run.
type Rate struct {
	// From and To are seconds since the start of the run.
	From      float64 `json:"from_seconds"`
	To        float64 `json:"to_seconds"`
	Graphs    int64   `json:"graphs"`
	PerSecond float64 `json:"graphs_per_second"`
}

// Stage is the time that a stage took, added up over goroutines.
type Stage struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"`
}

// Bar is one bar of a histogram: From <= value < To, the last one with its end.
type Bar struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int64   `json:"count"`
}

// Sizes is the distribution of nodes or edges a graph.
type Sizes struct {
	Graphs int64   `json:"graphs"`
	Mean   float64 `json:"mean"`
	// Quantiles are exact up to 4,096, above that the next power of two less one.
	Quantiles []Quantile `json:"quantiles"`
	Bars      []Bar      `json:"bars"`
	// Empty is the number of scored graphs that have no row of their own: they have no node or edge, or the id of the
	// graph before.
	Empty int64 `json:"empty"`
}

// Quantile is the value that a share of all does not exceed.
type Quantile struct {
	Share float64 `json:"share"`
	Value float64 `json:"value"`
}

// Scores is the distribution of one output.
type Scores struct {
	Output    string     `json:"output"`
	Count     int64      `json:"count"`
	Mean      float64    `json:"mean"`
	StdDev    float64    `json:"std_dev"`
	Quantiles []Quantile `json:"quantiles"`
	// Bars leave out Below and Above: the tails beyond the outer bars where they would flatten the rest.
	Bars  []Bar `json:"bars"`
	Below int64 `json:"below"`
	Above int64 `json:"above"`
}

// Shard is a shard that took long.
type Shard struct {
	Part      string  `json:"part"`
	Graphs    int64   `json:"graphs"`
	Nodes     int64   `json:"nodes"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"graphs_per_second"`
}

// QuarantineCode is one reason of the quarantine with its first examples.
type QuarantineCode struct {
	Code string `json:"code"`
	// OfTheMoment: another machine, limit or version may score the graphs.
	OfTheMoment bool      `json:"of_the_moment"`
	Graphs      int64     `json:"graphs"`
	Share       float64   `json:"share"` // of the graphs of all parts
	Examples    []Example `json:"examples"`
}

// Example is a graph in quarantine.
type Example struct {
	GraphID  string `json:"graph_id"`
	File     string `json:"file"`
	RowGroup int    `json:"row_group"`
	Row      int64  `json:"row"`
	Message  string `json:"message"`
}

// Gate is a gate of the job.
type Gate struct {
	// Name is its key in the job, Output the score column that is farthest off.
	Name   string `json:"name"`
	Output string `json:"output"`
	// Limit and Value are shares, graphs, seconds, or what package diff measures. Value is 0 where nothing was
	// measured.
	Limit   float64 `json:"limit"`
	Value   float64 `json:"value"`
	Passed  bool    `json:"passed"`
	Message string  `json:"message"`
}

// Change is a number of two runs.
type Change struct {
	What   string  `json:"what"`
	Before float64 `json:"before"`
	Now    float64 `json:"now"`
	// Unit is "graphs", "nodes", "share", "seconds", "graphs/s" or "bytes".
	Unit string `json:"unit"`
	// Notable: it changed by more than a tenth, or by a hundredth of all graphs for a share.
	Notable bool `json:"notable"`
}

// ScoreDrift compares the scores of one output with those of the previous output.
type ScoreDrift struct {
	Output string     `json:"output"`
	Before []Quantile `json:"before"`
	Now    []Quantile `json:"now"`
	Mean   [2]float64 `json:"mean"`
	// PSI and KS compare the distributions as package diff does: KS by the upper 16 bits of each score.
	PSI float64 `json:"psi"`
	KS  float64 `json:"ks"`
}

// Recent is a line on a run.
type Recent struct {
	ID          string  `json:"id"`
	Started     string  `json:"started"`
	ExitCode    int     `json:"exit_code"`
	Scored      int64   `json:"scored"`
	Quarantined int64   `json:"quarantined"`
	Skipped     int64   `json:"skipped"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"graphs_per_second"`
}

// Fact is a line of the provenance.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
