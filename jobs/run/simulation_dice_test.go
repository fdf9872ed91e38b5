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
	simSlow        simFault = "slow"        // it takes up to half of the deadline: a suspect may have less time than that
	simLate        simFault = "late"        // it takes longer than the deadline, and writes its scores all the same
	simFull        simFault = "full"        // RESOURCE_EXHAUSTED
	simBusy        simFault = "busy"        // the same, with how long to wait
	simUnavailable simFault = "unavailable" // of the server, which lives: as of a proxy, it cannot be told from the loss of its connection
	simReset       simFault = "reset"       // its connections are cut, and it goes on
	simStop        simFault = "stopped"     // SIGSTOP of the worker, then SIGCONT unless it was killed meanwhile
	simDrain       simFault = "drained"     // the worker takes no further calls, and ends once it has answered those that it has
	simRaise       simFault = "raises"      // the model raises an exception
	simDie         simFault = "dies"        // the worker
	simGone        simFault = "gone"        // it dies, and no other takes its place for longer than the budget
	simContract    simFault = "other model" // it answers with what another model computes
	simMixed       simFault = "mixed up"    // it answers another call, and its scores are not in the slot
)

// What a worker does with a call, one after the other.
const (
	simReads = iota
	simWrites
	simAnswers
	simStages
)

// simCall is what becomes of a call.
type simCall struct {
	fault simFault
	at    int                      // before that stage
	takes [simStages]time.Duration // until each
}

// simDice decides what becomes of calls, from the seed and from what is in them, whatever order they come in.
type simDice struct {
	seed  uint64
	odds  int // of a fault, in a hundred
	kinds []simFault

	mu    sync.Mutex
	sent  map[int64]int // calls that a graph was in
	hurt  map[int64]int // faults that a graph had a part in
	alone map[int64]bool
	hits  map[simFault]int
}

func newSimDice(seed uint64) *simDice {
	return &simDice{seed: seed, sent: map[int64]int{}, hurt: map[int64]int{}, alone: map[int64]bool{}, hits: map[simFault]int{}}
}

// strikes reports whether a fault speaks against the graphs of its call.
func (f simFault) strikes() bool {
	switch f {
	case simFull, simBusy, simDrain, simContract, simMixed:
		return false
	}
	return true
}

// simHurt is how many faults a graph has a part in at most: a run gives up where nothing is scored.
const simHurt = 3

// of decides. Whatever befalls a graph beside others, and whatever befalls others, one fault that speaks against it may
// befall it alone, and no more: two in a row would be its own.
func (d *simDice) of(numbers []int64) (c simCall) {
	if d == nil {
		return c
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	first := numbers[0]
	for _, n := range numbers {
		d.sent[n]++
	}
	r := rand.New(rand.NewPCG(d.seed, uint64(first)<<32+uint64(d.sent[first])<<8+uint64(len(numbers))))
	for i := range c.takes {
		c.takes[i] = time.Duration(r.IntN(20)) * time.Millisecond
	}
	if len(d.kinds) == 0 || first == 0 || r.IntN(100) >= d.odds {
		return c
	}
	fault, at := d.kinds[r.IntN(len(d.kinds))], r.IntN(simStages)
	for _, n := range numbers {
		if d.hurt[n] >= simHurt {
			return c
		}
	}
	if fault.strikes() && len(numbers) == 1 {
		if d.alone[first] {
			return c
		}
		d.alone[first] = true
	}
	for _, n := range numbers {
		d.hurt[n]++
	}
	d.hits[fault]++
	c.fault, c.at = fault, at
	switch fault {
	case simSlow:
		c.takes[at] = time.Duration(r.Int64N(int64(simDeadline / 2)))
	case simLate:
		c.takes[at] = simDeadline + time.Duration(r.Int64N(int64(2*simDeadline)))
	case simRaise:
		c.at = min(at, simWrites)
	case simFull, simBusy, simUnavailable:
		c.at = simReads
	case simContract, simMixed:
		c.at = simAnswers
	}
	return c
}

// throes is how long the process of a worker goes on once it was killed: the number-th one of that worker.
func (d *simDice) throes(worker, number int) time.Duration {
	if d == nil {
		return 0
	}
	r := rand.New(rand.NewPCG(d.seed, 1<<63+uint64(worker)<<32+uint64(number)))
	return []time.Duration{0, 0, 20, 300, 1500}[r.IntN(5)] * time.Millisecond
}

func (d *simDice) hit(faults ...simFault) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range faults {
		if d.hits[f] > 0 {
			return true
		}
	}
	return false
}
