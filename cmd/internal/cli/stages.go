package cli

import (
	"fmt"
	"strings"
	"time"

	"graphscore/pipeline"
	"graphscore/pipeline/display"
)

// stageTable is a table of the stages.
func stageTable(t pipeline.StageReport) string {
	var b strings.Builder
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
	fmt.Fprintf(&b, "stages in %s of scoring, added up over what works side by side\n", seconds(t.Elapsed))
	fmt.Fprintf(&b, "  %-11s%9s  %9s\n", "", "busy", "waiting")
	row := func(name string, busy time.Duration, wait, note string) {
		fmt.Fprintf(&b, "  %-11s%9s  %9s   %s\n", name, seconds(busy), wait, note)
	}
	row("read", t.Read+t.Cut, seconds(t.ReadWait), display.WholePercent(t.Reading())+" busy; waits for room")
	row("calls", t.CallTime(), "", fmt.Sprintf("%s of %d at once", display.WholePercent(t.Calling()), t.Calls))
	row("  pack", t.Pack-t.Cut, "", "encoding and decoding here")
	row("  transport", t.Transport, "", "the way, and waiting for a worker")
	row("  model", t.Model, "", fmt.Sprintf("%s of %s", display.WholePercent(t.Modelling()), display.Plural(int64(t.Workers), "worker")))
	row("write", t.Write, seconds(t.WriteWait), display.WholePercent(t.Writing())+" busy; waits for answers")
	return b.String()
}

// bottleneckText says in one sentence which stage the others wait for.
func bottleneckText(t pipeline.StageReport) string {
	switch t.Bottleneck() {
	case pipeline.BottleneckReading:
		return fmt.Sprintf("reading is the bottleneck: readers are busy %s of their time, and workers wait for them; "+
			"more or smaller shards are read side by side", display.WholePercent(t.Reading()))
	case pipeline.BottleneckCalls:
		return fmt.Sprintf("the way to the workers and back is the bottleneck: calls are under way %s of "+
			"the time they could be, but the model takes only %s of the workers' time; the rest is moving, decoding and "+
			"waiting for a CPU", display.WholePercent(t.Calling()), display.WholePercent(t.Modelling()))
	case pipeline.BottleneckModel:
		return fmt.Sprintf("the workers are the bottleneck: the model is busy %s of "+
			"the time; more workers help where CPUs are idle, a smaller model everywhere", display.WholePercent(t.Modelling()))
	case pipeline.BottleneckWriting:
		return fmt.Sprintf("writing is the bottleneck: the parts take %s of the time of who collects; "+
			"look at the disk of the output", display.WholePercent(t.Writing()))
	}
	return "nothing was scored, so nothing held it up"
}
