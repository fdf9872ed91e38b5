package estimate

import (
	"math"
	"time"
)

// Projection is what a run will take.
type Projection struct {
	// Seconds is the whole run with its start-up.
	Seconds Range `json:"seconds"`
	// GraphsPerSecond leaves start-up out.
	GraphsPerSecond Range `json:"graphs_per_second"`
	// MemoryBytes is the peak of graphscore and of the workers that it starts, OutputBytes the size of the parts
	// and of their quarantine files.
	MemoryBytes Range `json:"memory_bytes"`
	OutputBytes Range `json:"output_bytes"`
}

// Rest is what a projection needs to know beside the samples.
type Rest struct {
	// Startup is the time before the first request.
	Startup time.Duration
	// Parts is the number of parts that are written, PartBytes what each of them takes beside its rows.
	Parts     int
	PartBytes int64
	// InFlightBytes bounds what a run holds.
	InFlightBytes int64
}

// How far estimates are off beside what samples show, as natural logarithms of a ratio: a machine is not the same from
// minute to minute, and a run begins, ends and overlaps otherwise than samples do. Ranges are made to hold in nine of
// ten runs: the section estimate of make bench counts.
const (
	timeDoubt   = 0.30
	outputDoubt = 0.20
	// smallDoubt is added to both where samples are too small.
	smallDoubt = 0.40
	// memoryDoubt is a share. Samples score again what a run scores once, so that a run may have much less.
	memoryDoubt, memorySpared = 0.25, 0.4
)

// smallSample is the time below which samples are too small, where nothing longer was asked for than that.
const smallSample = time.Second

// perCommit is what a part costs beside its rows, in seconds: files are synced and renamed, two parts at once.
// Samples are not written, so this is a guess: fast local disks are faster, network file systems slower.
func perCommit() Range { return Range{0.0005, 0.002, 0.02} }

// Project scales what the samples took to all groups: the time of a stratum by its bytes, and likewise its output.
func (c *Calibration) Project(rest Rest) Projection {
	whole := func(r round) float64 { return r.seconds }
	flowing := func(r round) float64 { return r.seconds - r.filling }
	written := func(r round) float64 { return float64(r.sample.Output) }
	// A run reads on while it scores, but for its beginning. How much of the time before the first request of a sample it
	// saves is not known: between nothing and all but one such time.
	most, least := c.scaled(whole), c.scaled(flowing)
	least = min(most, least+c.fill())
	doubt := c.doubt(timeDoubt, whole)
	scoring := Range{least * doubt.Low, (least + most) / 2, most * doubt.High}.Plus(perCommit().Times(float64(rest.Parts)))
	rows := float64(c.total.Rows)
	return Projection{
		Seconds:         scoring.Plus(ratio(timeDoubt).Times(rest.Startup.Seconds())),
		GraphsPerSecond: Range{rows / scoring.High, rows / scoring.Likely, rows / scoring.Low},
		MemoryBytes:     c.memory(rest.InFlightBytes),
		OutputBytes: c.doubt(outputDoubt, written).Times(c.scaled(written)).
			Plus(exactly(float64(rest.Parts) * float64(rest.PartBytes))),
	}
}

// scaled is what all groups take, as far as samples show.
func (c *Calibration) scaled(of func(round) float64) (sum float64) {
	for i, cost := range c.perByte(of) {
		sum += cost * float64(c.strata[i].total.Bytes)
	}
	return sum
}

// fill is the mean time of samples before their first request, in seconds.
func (c *Calibration) fill() (mean float64) {
	for _, r := range c.rounds {
		mean += r.filling / float64(len(c.rounds))
	}
	return mean
}

// perByte is what a byte of each stratum takes: of all, where no sample of it could be read.
func (c *Calibration) perByte(of func(round) float64) []float64 {
	costs, bytes := make([]float64, len(c.strata)), make([]float64, len(c.strata))
	var cost, size float64
	for _, r := range c.rounds {
		costs[r.stratum] += of(r)
		bytes[r.stratum] += r.bytes
		cost, size = cost+of(r), size+r.bytes
	}
	for i := range costs {
		if bytes[i] > 0 {
			costs[i] /= bytes[i]
		} else {
			costs[i] = cost / size
		}
	}
	return costs
}

// doubt is the range of the ratio of a run to its estimate: base, and what the rounds of a stratum differ from its mean.
func (c *Calibration) doubt(base float64, of func(round) float64) Range {
	means := c.perByte(of)
	var squares float64
	n := 0
	for _, r := range c.rounds {
		if cost := of(r); means[r.stratum] > 0 && r.bytes > 0 && cost > 0 {
			off := math.Log(cost / r.bytes / means[r.stratum])
			squares += off * off
			n++
		}
	}
	if free := n - len(c.strata); free > 0 {
		base += student(free) * math.Sqrt(squares/float64(free)/float64(n))
	}
	if c.Small() {
		base += smallDoubt
	}
	return ratio(base)
}

// ratio is a range that is as far below 1 as above.
func ratio(doubt float64) Range { return Range{math.Exp(-doubt), 1, math.Exp(doubt)} }

// student is the 95 % quantile of Student's distribution, so that nine of ten lie between it and its negative.
func student(free int) float64 {
	table := []float64{6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81}
	return table[min(free, len(table))-1]
}

// Small reports whether the samples are too small to know much: they took less than a second, or nothing was sampled
// twice. The ranges are wider then.
func (c *Calibration) Small() bool {
	_, took := c.Sampled()
	return took < smallSample || len(c.rounds) <= len(c.strata)
}

// memory is the peak that samples had, and at most the bytes in flight that they left unused on top of it, here and in
// the workers.
func (c *Calibration) memory(inFlight int64) Range {
	first, last, most := int64(math.MaxInt64), int64(0), 0.0
	for _, r := range c.rounds {
		first, last, most = min(first, r.sample.Peak), max(last, r.sample.Peak), max(most, r.bytes)
	}
	if last == 0 {
		return Range{}
	}
	unused := max(0, float64(min(inFlight, c.total.Bytes))-most)
	return Range{float64(first) * (1 - memorySpared), float64(last), float64(last)*(1+memoryDoubt) + 2*unused}
}

// Sampled adds the samples up, with the time that they took. Warming up is left out.
func (c *Calibration) Sampled() (Sample, time.Duration) {
	var sum Sample
	var seconds float64
	for _, r := range c.rounds {
		sum.Rows, sum.Quarantined = sum.Rows+r.sample.Rows, sum.Quarantined+r.sample.Quarantined
		sum.Bytes, sum.Output = sum.Bytes+r.sample.Bytes, sum.Output+r.sample.Output
		sum.Peak = max(sum.Peak, r.sample.Peak)
		seconds += r.seconds
	}
	return sum, time.Duration(seconds * float64(time.Second))
}
