package graph

// Fault is what a failed scoring call is evidence of, as far as a graph of its batch may have caused it.
type Fault uint8

// The faults.
const (
	// NoFault: another attempt may succeed, and nothing speaks against the batch.
	NoFault Fault = iota
	// FaultRaised: the scorer raised an exception or reported that it failed.
	FaultRaised
	// FaultCrashed: the process that scored ended, or the connection to it was lost while the call was under way.
	FaultCrashed
	// FaultMemory: the process that scored had not enough memory for the batch.
	FaultMemory
	// FaultHung: the call reached its deadline.
	FaultHung
	// FaultPressure: the scorer is full. That it is so for one graph alone is evidence, for a batch it is not.
	FaultPressure
)

// Code is that of a graph in quarantine which was found to cause the fault.
func (f Fault) Code() Code {
	switch f {
	case FaultCrashed:
		return ScorerCrashed
	case FaultMemory, FaultPressure:
		return OutOfMemory
	case FaultHung:
		return DeadlineExceeded
	default:
		return ScorerFailed
	}
}

// Suspicion is what a failed call says of its batch.
type Suspicion struct {
	Fault Fault
	// Message is for the quarantine, should one graph be found to cause the fault. It has no process id, address or
	// path in it: the next run writes the same.
	Message string
	// Address is that of the process that took the call, empty where none is known to have.
	Address string
}
