package run

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"graphscore/jobs"
)

// TestMemoryLimit: parts of all shards at once fit below the limit, beside as much as a machine with few CPUs has for all else.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	limits := jobs.Limits{InFlightBytes: 64 << 20}
	few := memoryLimit(limits, 2)
	for _, cpus := range []int{1, 2, 8, 16, 17, 24, 64, 256} {
		got, parts := memoryLimit(limits, cpus), int64(shardsAtOnce(cpus))*partBytes
		if cpus <= 16 && got != 512<<20 {
			t.Errorf("%d CPUs: %d bytes", cpus, got)
		}
		if got-parts < few-8*partBytes {
			t.Errorf("%d CPUs: %d bytes, of which %d are left beside parts", cpus, got, got-parts)
		}
	}
}

// TestCollectLate: the garbage that there may be is that of a run once a collection has been.
func TestCollectLate(t *testing.T) { //nolint:paralleltest // it is one setting of the process
	before := debug.SetGCPercent(firstGCPercent)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	collectLate()
	percent := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	for metrics.Read(percent); percent[0].Value.Uint64() != gcPercent; metrics.Read(percent) {
		runtime.GC() // what is cleaned up then is, in a goroutine, soon after
	}
}
