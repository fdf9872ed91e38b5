package preflight

import (
	"context"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"graphscore/jobs/run"
)

// What graphscore and a worker take beside the requests, where no worker can be looked at.
const (
	ownMemory    = 100 << 20
	workerMemory = 120 << 20
)

func checkMemory(_ context.Context, k *known) Finding {
	limit, whose := memoryLimit()
	if limit == 0 {
		return warn("the memory limit of this machine is not known")
	}
	job := k.cfg.Job
	need := ownMemory + 2*uint64(job.Limits.InFlightBytes) // encoded once more on its way
	if job.Model.Path != "" {
		need += uint64(job.Workers) * max(workerMemory, uint64(k.workerMemory))
	}
	return compareMemory(limit, need, whose)
}

// compareMemory compares what a run may take with what is allowed, in bytes.
func compareMemory(limit, need uint64, whose string) Finding {
	if need > limit {
		return warn("%s allows %s, and a run may take %s: lower limits.in_flight_bytes or workers, or the kernel may end it",
			whose, humanize.IBytes(limit), humanize.IBytes(need))
	}
	return ok("%s allows %s, a run may take %s", whose, humanize.IBytes(limit), humanize.IBytes(need))
}

// memoryLimit is what the cgroup allows, or what the machine has where that is less; 0 where neither is known.
func memoryLimit() (limit uint64, whose string) {
	limit, whose = math.MaxUint64, ""
	m := run.ThisMachine()
	if m.Memory > 0 {
		limit, whose = uint64(m.Memory), "the machine"
	}
	if m.MemoryLimit > 0 && uint64(m.MemoryLimit) < limit {
		limit, whose = uint64(m.MemoryLimit), "the cgroup"
	}
	if whose == "" {
		return 0, ""
	}
	return limit, whose
}

func checkClock(_ context.Context, k *known) Finding {
	var newest time.Time
	if k.knows(haveInput) {
		var err error
		if _, newest, err = k.in.Newest(); err != nil {
			return warn("when the input was written is not known: %v", err)
		}
	}
	return compareClock(k.cfg.Now(), newest)
}

// compareClock warns of a clock that is behind what it should have seen. Nothing but dates and names of records
// depends on it.
func compareClock(now, newest time.Time) Finding {
	const layout = "2006-01-02 15:04:05 UTC"
	text := now.UTC().Format(layout)
	switch {
	case now.Year() < 2025:
		return warn("it is %s by the clock: set it, or dates and names of run records will be wrong", text)
	case newest.After(now.Add(time.Minute)):
		return warn("it is %s by the clock, but an input was written at %s: one of the two clocks is wrong", text, newest.UTC().Format(layout))
	}
	return ok("%s", text)
}
