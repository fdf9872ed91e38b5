package run

import (
	"math/rand/v2"
	"sync"
	"time"
)

// simFault is what becomes of a scoring call.
type simFault string

const (
	simNone        simFault = ""
	simSlow        simFault = "slow"          // it takes up to half of the deadline
	simLate        simFault = "late"          // it takes longer than the deadline, and writes its scores all the same
	simFull        simFault = "full"          // RESOURCE_EXHAUSTED
	simBusy        simFault = "busy"          // the same, with how long to wait
	simUnavailable simFault = "unavailable"   // of the server, which lives
	simReset       simFault = "reset"         // its connections are cut
	simRaise       simFault = "raises"        // the model raises an exception
	simDie         simFault = "dies"          // the worker, before it has scored
	simDieAfter    simFault = "dies answered" // the worker, once its scores are in the slot
	simGone        simFault = "gone"          // it dies, and no other takes its place for longer than the budget
	simContract    simFault = "other model"   // it answers with what another model computes
)

// simDice decides what becomes of calls, from the seed and from what is in them, whatever order they come in.
type simDice struct {
	seed  uint64
	odds  int // of a fault, in a hundred
	kinds []simFault

	mu   sync.Mutex
	sent map[int64]int // calls that a graph was in
	hurt map[int64]int // faults that a graph had a part in
	hits map[simFault]int
}

// strikes reports whether a fault speaks against the graphs of its call.
func (f simFault) strikes() bool {
	switch f {
	case simSlow, simFull, simBusy, simUnavailable, simGone, simContract:
		return false
	}
	return true
}

// of decides. A graph has a part in one fault at most, and in one that speaks against it only the first time that it is sent:
// two of them, alone, would be the fault of the graph, and so would be one beside the death of a worker by poison.
func (d *simDice) of(numbers []int64) (fault simFault, takes time.Duration) {
	if d == nil {
		return simNone, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	first, again := numbers[0], false
	for _, n := range numbers {
		again = again || d.sent[n] > 0
		d.sent[n]++
	}
	r := rand.New(rand.NewPCG(d.seed, uint64(first)<<32+uint64(d.sent[first])<<8+uint64(len(numbers))))
	takes = time.Duration(r.IntN(50)) * time.Millisecond
	if len(d.kinds) == 0 || first == 0 || r.IntN(100) >= d.odds {
		return simNone, takes
	}
	for _, n := range numbers {
		if d.hurt[n] > 0 {
			return simNone, takes
		}
	}
	if fault = d.kinds[r.IntN(len(d.kinds))]; fault.strikes() && again {
		return simNone, takes
	}
	for _, n := range numbers {
		d.hurt[n]++
	}
	d.hits[fault]++
	switch fault {
	case simSlow:
		takes = time.Duration(r.Int64N(int64(simDeadline / 2)))
	case simLate:
		takes = simDeadline + time.Duration(r.Int64N(int64(2*simDeadline)))
	}
	return fault, takes
}

func (d *simDice) hit(fault simFault) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hits[fault] > 0
}
