package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"graphscore/pipeline/display"
)

// Stages is the time spent in each stage, added up over goroutines that work side by side: the sum may exceed
// the time that a run takes.
type Stages struct {
	// Read is spent in sources, Pack on cutting, encoding and decoding, Transport between encoding a request
	// and having its answer without the model's share, Model in the model, Write in sinks.
	Read, Pack, Transport, Model, Write time.Duration
	// Cut is the share of Pack that readers spend on cutting.
	Cut time.Duration
	// ReadWait is what readers wait for room: for the bytes in flight, for a call, or for who collects.
	// WriteWait is what collectors wait for answers.
	ReadWait, WriteWait time.Duration
	// Elapsed is the time from the start of Run to its end, 0 before that.
	Elapsed time.Duration
}

// Add adds the times of another run.
func (s *Stages) Add(o Stages) {
	s.Read += o.Read
	s.Pack += o.Pack
	s.Transport += o.Transport
	s.Model += o.Model
	s.Write += o.Write
	s.Cut += o.Cut
	s.ReadWait += o.ReadWait
	s.WriteWait += o.WriteWait
	s.Elapsed += o.Elapsed
}

// Trace tells how busy each stage of a run was, and which one held up the others.
type Trace struct {
	Stages
	// Calls is the largest number of calls under way, Workers the number of processes that score.
	Calls, Workers int
}

// share is a part of a whole, 0 where there is none.
func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return part.Seconds() / whole.Seconds()
}

// Reading is the share of their time that readers read and cut, and do not wait for room.
func (t Trace) Reading() float64 { return share(t.Read+t.Cut, t.Read+t.Cut+t.ReadWait) }

// Calling is the share of the calls that could be under way that were.
func (t Trace) Calling() float64 { return share(t.calling(), t.Elapsed*time.Duration(t.Calls)) }

// Modelling is the share of the workers' time that the model takes. A worker that scores several calls side by
// side counts the time of each, so this is at most 1.
func (t Trace) Modelling() float64 {
	return min(1, share(t.Model, t.Elapsed*time.Duration(t.Workers)))
}

// Writing is the share of their time that collectors write, and do not wait for answers.
func (t Trace) Writing() float64 { return share(t.Write, t.Write+t.WriteWait) }

// calling is the time of all calls.
func (t Trace) calling() time.Duration { return t.Pack - t.Cut + t.Transport + t.Model }

// busyWorkers is the share of their time from which on workers count as having no time to spare: the rest goes to
// decoding, encoding and the way between calls.
const busyWorkers = 0.75

// Bottleneck says in one sentence which stage the others wait for.
func (t Trace) Bottleneck() string {
	if t.Elapsed <= 0 || t.calling() <= 0 {
		return "nothing was scored, so nothing held it up"
	}
	type stage struct {
		busy float64
		says string
	}
	calls := stage{t.Calling(), fmt.Sprintf("the way to the workers and back is the bottleneck: calls are under way %s of "+
		"the time they could be, but the model takes only %s of the workers' time; the rest is moving, decoding and "+
		"waiting for a CPU", display.WholePercent(t.Calling()), display.WholePercent(t.Modelling()))}
	if t.Modelling() >= busyWorkers {
		calls = stage{max(t.Calling(), t.Modelling()), fmt.Sprintf("the workers are the bottleneck: the model is busy %s of "+
			"the time; more workers help where CPUs are idle, a smaller model everywhere", display.WholePercent(t.Modelling()))}
	}
	worst := slices.MaxFunc([]stage{
		{t.Reading(), fmt.Sprintf("reading is the bottleneck: readers are busy %s of their time, and workers wait for them; "+
			"more or smaller shards are read side by side", display.WholePercent(t.Reading()))},
		calls,
		{t.Writing(), fmt.Sprintf("writing is the bottleneck: the parts take %s of the time of who collects; "+
			"look at the disk of the output", display.WholePercent(t.Writing()))},
	}, func(a, b stage) int { return cmp.Compare(a.busy, b.busy) })
	return worst.says
}

// String is a table of the stages.
func (t Trace) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stages in %s of scoring, added up over what works side by side\n", seconds(t.Elapsed))
	fmt.Fprintf(&b, "  %-11s%9s  %9s\n", "", "busy", "waiting")
	row := func(name string, busy time.Duration, wait, note string) {
		fmt.Fprintf(&b, "  %-11s%9s  %9s   %s\n", name, seconds(busy), wait, note)
	}
	row("read", t.Read+t.Cut, seconds(t.ReadWait), display.WholePercent(t.Reading())+" busy; waits for room")
	row("calls", t.calling(), "", fmt.Sprintf("%s of %d at once", display.WholePercent(t.Calling()), t.Calls))
	row("  pack", t.Pack-t.Cut, "", "encoding and decoding here")
	row("  transport", t.Transport, "", "the way, and waiting for a worker")
	row("  model", t.Model, "", fmt.Sprintf("%s of %s", display.WholePercent(t.Modelling()), display.Plural(int64(t.Workers), "worker")))
	row("write", t.Write, seconds(t.WriteWait), display.WholePercent(t.Writing())+" busy; waits for answers")
	return b.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
