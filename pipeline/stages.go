package pipeline

import "time"

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

// StageReport says how busy each stage of a run was, and which one the others waited for.
type StageReport struct {
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
func (t StageReport) Reading() float64 { return share(t.Read+t.Cut, t.Read+t.Cut+t.ReadWait) }

// Calling is the share of the calls that could be under way that were.
func (t StageReport) Calling() float64 { return share(t.CallTime(), t.Elapsed*time.Duration(t.Calls)) }

// Modelling is the share of the workers' time that the model takes. A worker that scores several calls side by
// side counts the time of each, so this is at most 1.
func (t StageReport) Modelling() float64 {
	return min(1, share(t.Model, t.Elapsed*time.Duration(t.Workers)))
}

// Writing is the share of their time that collectors write, and do not wait for answers.
func (t StageReport) Writing() float64 { return share(t.Write, t.Write+t.WriteWait) }

// CallTime is the time of all calls, added up: packing here, the way there and back, and the model.
func (t StageReport) CallTime() time.Duration { return t.Pack - t.Cut + t.Transport + t.Model }

// Bottleneck is the stage that the others wait for.
type Bottleneck string

// The bottlenecks of a run.
const (
	// NoBottleneck: nothing was scored.
	NoBottleneck Bottleneck = ""
	// BottleneckReading: readers are busy, and workers wait for them.
	BottleneckReading Bottleneck = "reading"
	// BottleneckCalls: the way to the workers and back, and waiting for a CPU there.
	BottleneckCalls Bottleneck = "calls"
	// BottleneckModel: the workers have no time to spare.
	BottleneckModel Bottleneck = "model"
	// BottleneckWriting: parts take the time of the collectors.
	BottleneckWriting Bottleneck = "writing"
)

// busyWorkers is the share of their time from which on workers count as having no time to spare: the rest goes to
// decoding, encoding and the way between calls.
const busyWorkers = 0.75

// Bottleneck returns the stage that the others wait for: the busiest one.
func (t StageReport) Bottleneck() Bottleneck {
	if t.Elapsed <= 0 || t.CallTime() <= 0 {
		return NoBottleneck
	}
	worst, busy := BottleneckReading, t.Reading()
	calls, calling := BottleneckCalls, t.Calling()
	if t.Modelling() >= busyWorkers {
		calls, calling = BottleneckModel, max(t.Calling(), t.Modelling())
	}
	if calling > busy {
		worst, busy = calls, calling
	}
	if t.Writing() > busy {
		worst = BottleneckWriting
	}
	return worst
}
