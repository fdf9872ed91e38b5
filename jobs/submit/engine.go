package submit

import (
	"context"
	"os"

	"graphscore/writers/record"
)

// Engine runs arrays of tasks. Slurm is one. Its errors name the command that failed and what it said.
type Engine interface {
	// Limit is one more than the largest index of an array.
	Limit(ctx context.Context) (int, error)
	// Script writes the script of an array: what a person could submit by hand.
	Script(c Command, a record.Array) []byte
	// Submit hands the script at path to the engine and returns the id that it has there. The commands that it runs inherit
	// lock, which may be nil: who starts anew does not submit before the last one has ended.
	Submit(ctx context.Context, path string, lock *os.File) (id string, err error)
	// Find returns the id of the array that was submitted under the name, "" where the engine does not know one.
	Find(ctx context.Context, name string) (id string, err error)
	// Tasks returns what the engine knows of the tasks of arrays. A task that ended a while ago may not be known any more.
	Tasks(ctx context.Context, ids []string) ([]Task, error)
	// Cancel ends all tasks of arrays, those that have ended excepted.
	Cancel(ctx context.Context, ids []string) error
}

// Command is what every task of a submission runs.
type Command struct {
	// Words are the command and its arguments without --shard, each as the process gets it.
	Words []string
	// Dates are outputs of their own, "--date" and "--plan" of each in the folder Plans come before --shard. None: there is
	// one output.
	Dates []string
	Plans string
	// Count is the number of shards of an output: task t is shard t modulo Count of the output at place t/Count.
	Count int
	// Logs is the folder for what tasks print: <name of the array>-<index>.log.
	Logs string
	// Dir is the folder in which it runs: relative paths count from it.
	Dir string
}

// tasks is how many there are.
func (c Command) tasks() int { return c.Count * max(len(c.Dates), 1) }

// State is where a task is.
type State int

// The states of a task. Gone is one that the engine does not know (any more).
const (
	Gone State = iota
	Waiting
	Running
	Ended
	Canceled
)

// Task is what the engine knows of a task.
type Task struct {
	ArrayID string
	Index   int
	State   State
	// Code is the exit code of a task that has ended: 0 to 255, 128 plus the signal that ended it, or LostNode.
	Code int
	// Node is where it runs or ran, Why the engine's word for how it ended, such as TIMEOUT.
	Node, Why string
}

// LostNode is the code of a task that ended with its machine.
const LostNode = -1
