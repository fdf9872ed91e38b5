package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers/record"
)

// recent lists the run and those before it, and returns the one to compare with.
func (b *builder) recent(ctx context.Context) (*record.Run, error) {
	var scored, latest *record.Run
	for _, file := range b.files[b.at:] {
		if b.record == nil || len(b.report.Recent) == shownRuns {
			break
		}
		rec, err := record.Read(file)
		var bad *record.Error
		if errors.As(err, &bad) {
			continue // the newest one is noted, the others are history
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		b.report.Recent = append(b.report.Recent, Recent{
			ID: rec.RunID, Started: rec.Started, ExitCode: rec.ExitCode, Scored: rec.Counts.Scored,
			Quarantined: rec.Counts.Quarantined, Skipped: rec.Counts.Skipped, Seconds: rec.Seconds, PerSecond: perSecond(rec),
		})
		if rec.RunID == b.record.RunID {
			continue
		}
		latest = cmp.Or(latest, rec)
		if scored == nil && rec.Counts.Scored > 0 {
			scored = rec
		}
	}
	return cmp.Or(scored, latest), nil
}

// changes are the numbers of two runs side by side.
func changes(was, is *record.Run) []Change {
	list := []Change{
		{What: "graphs in", Unit: "graphs", Before: float64(was.Counts.RowsIn), Now: float64(is.Counts.RowsIn)},
		{What: "quarantine rate", Unit: "share", Before: quarantineRate(was), Now: quarantineRate(is)},
	}
	if was.Counts.Scored > 0 && is.Counts.Scored > 0 {
		list = append(list,
			Change{What: "scored by the run", Unit: "graphs", Before: float64(was.Counts.Scored), Now: float64(is.Counts.Scored)},
			Change{What: "nodes scored", Unit: "nodes", Before: float64(was.Counts.Nodes), Now: float64(is.Counts.Nodes)},
			Change{What: "throughput", Unit: "graphs/s", Before: perSecond(was), Now: perSecond(is)},
			Change{What: "duration", Unit: "seconds", Before: was.Seconds, Now: is.Seconds},
			Change{What: "peak memory", Unit: "bytes", Before: memory(was), Now: memory(is)},
		)
	}
	for i := range list {
		c := &list[i]
		c.Notable = math.Abs(c.Now-c.Before) > 0.1*math.Abs(c.Before)
		if c.Unit == "share" {
			c.Notable = math.Abs(c.Now-c.Before) > 0.01
		}
	}
	return list
}

func memory(rec *record.Run) float64 {
	return float64(rec.PeakMemory.Go + rec.PeakMemory.Workers)
}

// quarantineRate is the share of graphs in quarantine, those of skipped parts among them.
func quarantineRate(rec *record.Run) float64 {
	var n int64
	for _, v := range rec.QuarantinedByCode {
		n += v
	}
	return float64(n) / float64(max(rec.Counts.RowsIn, 1))
}

// provenance says what made the output: by the record, and for models and settings by every part that exists.
func (b *builder) provenance() {
	add := func(name, value string) {
		if value != "" {
			b.report.Provenance = append(b.report.Provenance, Fact{name, value})
		}
	}
	if rec := b.record; rec != nil {
		add("run", rec.RunID)
		add("started", rec.Started)
		add("finished", rec.Finished)
		add("host", fmt.Sprintf("%s, process %d", rec.Host, rec.PID))
		add("graphscore", rec.Version)
		add("built with", rec.GoVersion)
		add("arrow", rec.ArrowVersion)
		add("grpc", rec.GRPCVersion)
		add("model", rec.Model.Name)
		if level := rec.Model.Level; level != graph.NodeLevel.String() { // of records before there were levels it is ""
			add("level", level)
		}
		add("outputs", strings.Join(rec.Model.Outputs, ", "))
		add("engine", rec.Model.Engine)
		add("BLAS", rec.Model.BLAS)
		var versions []string
		for _, name := range slices.Sorted(maps.Keys(rec.Model.Versions)) {
			versions = append(versions, name+" "+rec.Model.Versions[name])
		}
		add("scored with", strings.Join(versions, ", "))
		add("protocol", rec.Protocol)
		add("workers", fmt.Sprintf("%d", rec.Workers))
		add("inputs", strings.Join(rec.Inputs, ", "))
		add("columns read", strings.Join(record.ColumnNames(rec.ColumnsRead), ", "))
		add("settings", string(rec.Settings.JSON()))
		b.report.Provenance = append(b.report.Provenance, arrayFacts(rec.Array)...)
	}
	digests := func(name string, counts map[string]int64) {
		for _, digest := range slices.Sorted(maps.Keys(counts)) {
			value := digest
			if len(counts) > 1 {
				value += " (" + display.Plural(counts[digest], "part") + ")"
			}
			add(name, value)
		}
	}
	digests("model digest", b.output.models)
	digests("settings digest", b.output.settings)
	digests("embedding of step", b.output.embeds)
	if len(b.output.models) > 1 {
		b.note("The parts were scored by %d different models.", len(b.output.models))
	}
	if len(b.output.settings) > 1 {
		b.note("The parts were made with %d different settings.", len(b.output.settings))
	}
}
