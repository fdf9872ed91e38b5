package writers

import (
	"fmt"
	"strings"
	"time"

	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// LockedError says that another run holds the output. PID is 0 where the lock does not say who.
type LockedError struct {
	Path, Host, RunID string
	PID               int
	Start             time.Time
	// Dates: what is held are the outputs of all dates, and Path has a {date}.
	Dates bool
	// Shared: several may hold it side by side. Who else does than the last one that began is not known, nor whether that
	// one still does.
	Shared bool
	// Task is the one of several processes that fill the output at once which holds it, nil for a run that has it alone.
	Task *record.Task
	// Submit: what is held is that shards of the output are submitted.
	Submit bool
	// Handing: it is held by a command of a submit that died, which hands an array over.
	Handing bool
}

// Holder says who holds what is held, as far as the lock does.
func (e *LockedError) Holder() string {
	holder := "another run"
	switch {
	case e.PID != 0:
		holder = fmt.Sprintf("pid %d on %s, which started %s", e.PID, e.Host, e.Start.UTC().Format(time.RFC3339))
	case e.Handing:
		holder = "a command that a submit which died has begun"
	case e.Submit:
		holder = "another submit"
	}
	switch {
	case e.Task != nil:
		return fmt.Sprintf("shard %s, %s", e.Task, holder)
	case e.Shared && e.PID != 0:
		return "runs side by side, the last of which to begin was " + holder
	case e.Shared:
		return "runs side by side"
	}
	return holder
}

func (e *LockedError) Error() string {
	switch {
	case e.Handing:
		return fmt.Sprintf("the shards of the output %q are submitted by %s: wait until it ends, and give the same command", e.Path, e.Holder())
	case e.Submit:
		return fmt.Sprintf("the shards of the output %q are submitted by %s: wait until it ends, or stop it and give the same command: its tasks go on, and are found", e.Path, e.Holder())
	case e.Task != nil:
		return fmt.Sprintf("the output %q is held by %s: wait until it ends", e.Path, e.Holder())
	case e.Dates && e.Shared:
		return fmt.Sprintf("the dates of %q are held by %s: wait until all of them end", e.Path, e.Holder())
	case e.Dates:
		return fmt.Sprintf("the dates of %q are held by %s: wait until it ends", e.Path, e.Holder())
	}
	return fmt.Sprintf("the output %q is held by %s: wait until it ends, or choose another output", e.Path, e.Holder())
}

// Mismatch is one part for which a run is refused.
type Mismatch struct {
	// Part is its slash-separated path under the output.
	Part string
	// Reasons say what differs, one each, with the value of the run and that of the part.
	Reasons []string
	// Foreign: the file was not made by graphscore, so that even a run with Rescore leaves it alone.
	Foreign bool
	// Trial: the run takes the first graphs only, and the part holds all. Rescore does not help either.
	Trial bool
	// Orphan: the input of the part does not exist any more. A run with PruneOrphans removes it.
	Orphan bool
}

// MismatchError says that the output has parts of another input, model, setting or range.
type MismatchError struct {
	Dir   string
	Parts []Mismatch
}

// mismatchesNamed is how many parts the message of a MismatchError names.
const mismatchesNamed = 3

func (e *MismatchError) Error() string {
	var b strings.Builder
	what, remedy := e.kind()
	fmt.Fprintf(&b, "the output %q has %s %s: ", e.Dir, display.Plural(int64(len(e.Parts)), "part"), what)
	for i, m := range e.Parts {
		if m.Foreign {
			remedy = "move what is not graphscore's away, or choose another output"
		}
		if m.Trial {
			remedy = "choose another output to try a job with --limit"
		}
		if i >= mismatchesNamed {
			continue
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%q (%s)", m.Part, strings.Join(m.Reasons, ", "))
	}
	if more := len(e.Parts) - mismatchesNamed; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String() + ": " + remedy
}

// kind says what the parts are, and what a user can do.
func (e *MismatchError) kind() (what, remedy string) {
	orphans := 0
	for _, m := range e.Parts {
		if m.Orphan {
			orphans++
		}
	}
	switch orphans {
	case 0:
		return "of something else", "give --rescore to score them again, or choose another output"
	case len(e.Parts):
		return "whose input is gone or was renamed",
			"give --prune to remove such parts once all others exist, or choose another output"
	default:
		return "of something else, or whose input is gone or was renamed",
			"give --rescore to score parts again and --prune to remove those whose input is gone, or choose another output"
	}
}

// LostError says that a file of the output which this run saw or made is not there any more, though no other run may
// write.
type LostError struct{ Path string }

func (e *LostError) Error() string {
	return fmt.Sprintf("%q was there and is not any more: check the disk and what else changes the output, then run again", e.Path)
}

// MovedError says that the path of an output does not lead to the folder in which a run has written its parts.
type MovedError struct{ Path string }

func (e *MovedError) Error() string {
	return fmt.Sprintf("the output %q was moved or replaced while it was written: its parts are where it was moved to: move it back and run again", e.Path)
}

// CountError says that a part did not get every graph of its shard exactly once.
type CountError struct {
	Part                      string
	Rows, Scored, Quarantined int64
}

func (e *CountError) Error() string {
	return fmt.Sprintf("the part %q got %d scored and %d quarantined graphs, but its shard has %d rows: the input changed while it was read, or this is a bug",
		e.Part, e.Scored, e.Quarantined, e.Rows)
}
