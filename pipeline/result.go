package pipeline

import (
	"fmt"
	"time"

	"graphscore/pipeline/graph"
)

// Outcome says how a shard ended.
type Outcome string

// The outcomes of a shard.
const (
	// Scored: its part is committed, perhaps beside quarantined graphs.
	Scored Outcome = "scored"
	// RefusedInput: its input could not be read to the end; nothing was committed.
	RefusedInput Outcome = "refused"
	// Failed: the run ended before it was committed.
	Failed Outcome = "failed"
)

// Counts says where the rows of a shard or of a run went.
type Counts struct {
	// Rows = Scored + Quarantined, in rows of the input.
	Rows, Scored, Quarantined int64
	// Nodes and Edges are those of scored graphs.
	Nodes, Edges int64
	// Codes splits Quarantined by reason.
	Codes map[graph.Code]int64
}

func (c *Counts) reject(code graph.Code) {
	if c.Codes == nil {
		c.Codes = make(map[graph.Code]int64)
	}
	c.Codes[code]++
	c.Rows++
	c.Quarantined++
}

// Add adds o to c.
func (c *Counts) Add(o *Counts) {
	c.Rows += o.Rows
	c.Scored += o.Scored
	c.Quarantined += o.Quarantined
	c.Nodes += o.Nodes
	c.Edges += o.Edges
	for code, n := range o.Codes {
		if c.Codes == nil {
			c.Codes = make(map[graph.Code]int64)
		}
		c.Codes[code] += n
	}
}

// ShardResult is what became of one shard.
type ShardResult struct {
	// Index is the place of the shard in the list given to Run.
	Index   int
	Name    string
	Outcome Outcome
	Counts  Counts
	// Err says why a shard was refused or failed.
	Err error
	// Elapsed is the time from opening the source to the commit.
	Elapsed time.Duration
}

// Result is what became of a run.
type Result struct {
	// Counts is the sum over committed shards.
	Counts Counts
	// Shards has one entry for every shard, in the order given to Run.
	Shards []ShardResult
}

// ContractError is a broken promise of a scorer: the run ends, nothing of the batch is written.
type ContractError struct {
	// Field is what disagrees, Got and Want are its values.
	Field     string
	Got, Want any
}

func (e *ContractError) Error() string {
	return fmt.Sprintf("the scorer broke its contract: %s is %v, expected %v; check that server and graphscore are of the same version",
		e.Field, e.Got, e.Want)
}

// CountError is a shard of which not every row was accounted for. It is a bug, of ours or of a source.
type CountError struct {
	Shard     string
	Got, Want int64
}

func (e *CountError) Error() string {
	return fmt.Sprintf("shard %s: %d rows were scored or quarantined, but the input has %d", e.Shard, e.Got, e.Want)
}

// PanicError is a panic that was recovered in a goroutine of the pipeline: a bug.
type PanicError struct {
	Value any
	// Stack is for a log at debug level, never for a user.
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("a bug in graphscore: %v; please report it with the command and the log at level debug", e.Value)
}
