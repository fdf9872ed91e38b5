package run

import (
	"context"
	"errors"

	"graphscore/jobs"
	"graphscore/pipeline/local"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/slots"
)

// sharedMemory makes the memory for the columns of so many local workers, and returns nil where they go inline: because
// the job says so, or with a warning because none can be had.
func sharedMemory(ctx context.Context, cfg Config, workers int) (*slots.Memory, error) {
	limits := cfg.Job.Limits
	only := limits.Transport == jobs.TransportShared
	traits := remote.TraitsOf(cfg.Job.Server.Protocol)
	if limits.Transport == jobs.TransportInline || !traits.SharedMemory && !only {
		return nil, nil
	}
	if !traits.SharedMemory {
		return nil, &jobs.Error{Path: cfg.Job.Path, Reason: "limits.transport is shared, and protocol " + cfg.Job.Server.Protocol +
			" sends one graph a call in its message: use protocol native, or limits.transport auto"}
	}
	memory, err := slots.Create(sizeOf(limits, traits.CallsPerWorker*max(1, workers)))
	switch {
	case err == nil:
		return memory, nil
	case only:
		return nil, &local.StartError{Message: "limits.transport is shared, and there is no shared memory to be had: " + err.Error() +
			"; with limits.transport auto columns go inline", Err: err}
	case !errors.Is(err, slots.ErrNotLinux):
		cfg.Log.WarnContext(ctx, "columns go to the workers inline, and not through shared memory", "reason", err)
	}
	return nil, nil
}

// sizeOf has two slots for every call under way, so that half of them can be held by calls that have ended, but not more
// than twice the bytes in flight: more requests than these are never read. A slot has room for the columns of a request
// and for their scores, each as large as a request may be. There are as many slots of giants, each for what a message may
// hold; together they take no more than twice the bytes in flight, or one giant.
func sizeOf(limits jobs.Limits, calls int) slots.Config {
	const columns = 10 // with the places of the scores and of the embedding
	room := func(request int64) int64 { return slots.Need(request, request) + columns*slots.HeaderBytes }
	inFlight := int64(limits.InFlightBytes)
	request := min(int64(limits.RequestBytes), inFlight)
	cfg := slots.Config{Slots: int(max(2, min(2*int64(calls), 2*inFlight/request))), SlotBytes: room(request)}
	if giant := room(int64(limits.MessageBytes)); giant > cfg.SlotBytes {
		cfg.Giants, cfg.GiantBytes, cfg.GiantMemory = cfg.Slots, giant, max(2*inFlight, giant)
	}
	return cfg
}
