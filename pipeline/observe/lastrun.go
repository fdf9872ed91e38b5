package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// Job is whose figures they are. Two jobs of one name are distinguished by their files and outputs.
type Job struct {
	// Name is the label job of every metric.
	Name string
	// File is the job file and Output the folder of the scores with its {date}, both absolute. File is "" for a job of
	// flags.
	File, Output string
}

// same reports whether two are one job: its file may be edited, or moved. Labels have texts as [display.Line] returns them.
func (j Job) same(o Job) bool {
	j, o = j.harmless(), o.harmless()
	return j.Name == o.Name && (j.File != "" && j.File == o.File || j.Output == o.Output)
}

func (j Job) harmless() Job {
	return Job{Name: display.Line(j.Name), File: display.Line(j.File), Output: display.Line(j.Output)}
}

// LastRun is what the metrics say of a command that is over.
type LastRun struct {
	Job Job
	// Backfill puts the figures into the series of backfills of calendar dates, beside those of the nights of the job.
	Backfill bool
	// OneDate is a run of one date of a job with {date}: it does not replace the figures of a window of dates.
	OneDate  bool
	Ended    time.Time
	ExitCode int
	// Success says that the exit code is one of a run that did its work, and that there was some, now or before.
	Success bool
	// TurnedAway says that it ended with 75, so that another one is due: it is counted, and all other figures stay those of
	// the run before.
	TurnedAway bool
	// Seconds is the whole run, StartupSeconds the part of it before the first scoring request.
	Seconds, StartupSeconds float64
	// Scored, Quarantined and Skipped are graphs of the input.
	Scored, Quarantined, Skipped int64
	Retries                      int64
	// PeakRun and PeakWorkers are in bytes, 0 where they are not known.
	PeakRun, PeakWorkers int64
	// Output is what the output holds; nil where nobody knows, and the figures of before stay.
	Output *Output
	// Dates counts dates by what became of them: of the window of a night by the Reason that they have no _SUCCESS, of a
	// backfill by outcome. It is nil for a run that is not of many dates.
	Dates map[string]int64
}

// Output is what one output, or those of the dates of a window, hold once a run is over, whoever scored it.
type Output struct {
	// Scored and Quarantined are the graphs of all parts of the input, those of skipped parts too.
	Scored, Quarantined int64
	// Codes splits the graphs in quarantine by reason.
	Codes map[string]int64
	// Orphaned are parts whose input does not exist any more.
	Orphaned                int64
	FilesRead, FilesRefused int64
	GatesFailed             int64
}

// Why a date of a window has no _SUCCESS.
const (
	NoInput    = "no_input"   // nothing matches, and the job does not say that it may be so
	Optional   = "optional"   // nothing matches, and the job says that it may be so
	Failed     = "failed"     // its run, or what came before it, failed; a gate did not pass
	Incomplete = "incomplete" // files were refused
	Waiting    = "waiting"    // another run was at work on it, or its input is not finished
	NotRun     = "not_run"    // the command was stopped, or ended before its turn
)

// Reasons are all of them.
func Reasons() []string { return []string{NoInput, Optional, Failed, Incomplete, Waiting, NotRun} }

// names are those of metrics: no two series share one.
type names struct{ last, success, info, output, dates, datesLabel, turned, turnedAt string }

func (l *LastRun) names() names {
	if l.Backfill {
		return names{
			last: "graphscore_last_backfill_", success: "graphscore_last_backfill_success_timestamp_seconds",
			info: "graphscore_backfill_job_info", dates: "graphscore_last_backfill_dates", datesLabel: "outcome",
			turned: "graphscore_backfill_turned_away_total", turnedAt: "graphscore_last_backfill_turned_away_timestamp_seconds",
		}
	}
	return names{
		last: "graphscore_last_run_", success: "graphscore_last_success_timestamp_seconds", info: "graphscore_job_info",
		output: "graphscore_output_", dates: "graphscore_dates_without_success", datesLabel: "reason",
		turned: "graphscore_turned_away_total", turnedAt: "graphscore_last_turned_away_timestamp_seconds",
	}
}

// gather puts the metrics into a registry. before is what was published before.
func (l *LastRun) gather(to prometheus.Registerer, before standing) error {
	g, n := gauges{to: to}, l.names()
	ended := float64(l.Ended.UnixMilli()) / 1000
	if l.TurnedAway {
		g.count(n.turned, "Commands that ended with 75: another one was at work, the input was not finished, or the time was over.", before.value(n.turned)+1)
		g.set(n.turnedAt, "When a command ended with 75 last.", ended)
		return g.err
	}
	g.label(n.info, "Whose figures these are.", prometheus.Labels{"file": display.Line(l.Job.File), "output": display.Line(l.Job.Output)})
	g.set(n.last+"timestamp_seconds", "When the last run ended.", ended)
	if l.Success {
		g.set(n.success, "When the last run ended that exited with 0 or 3, and scored something or found it done.", ended)
	}
	g.set(n.last+"exit_code", "Exit code of the last run.", float64(l.ExitCode))
	g.set(n.last+"duration_seconds", "How long the last run took, from the start of the process.", l.Seconds)
	g.set(n.last+"startup_seconds", "How long the last run took until its first scoring request.", l.StartupSeconds)
	g.split(n.last+"graphs", "Graphs of the last run.", "outcome",
		map[string]int64{"scored": l.Scored, "quarantined": l.Quarantined, "skipped": l.Skipped})
	g.set(n.last+"retries", "Scoring calls that the last run made again.", float64(l.Retries))
	g.split(n.last+"peak_memory_bytes", "Largest resident memory during the last run, 0 where it is not known.", "process",
		map[string]int64{"run": l.PeakRun, "workers": l.PeakWorkers})
	if l.Dates != nil {
		g.split(n.dates, "Dates of the last run, by what became of them.", n.datesLabel, l.Dates)
	}
	if l.Output != nil && !l.Backfill {
		l.Output.gather(&g, n)
	}
	return g.err
}

func (o *Output) gather(g *gauges, n names) {
	g.split(n.output+"graphs", "Graphs of the parts that exist.", "outcome",
		map[string]int64{"scored": o.Scored, "quarantined": o.Quarantined})
	g.set(n.output+"orphaned_parts", "Parts whose input does not exist any more, and that whoever reads the output reads as well.", float64(o.Orphaned))
	quarantined := map[string]int64{}
	for _, code := range graph.Codes() { // always there, at 0 where no graph has it: a Pushgateway keeps what is not pushed
		quarantined[string(code)] = 0
	}
	for code, n := range o.Codes {
		quarantined[code] = n
	}
	g.split(n.last+"quarantined_graphs", "Graphs in quarantine when the last run ended, those of skipped parts too.", "code", quarantined)
	g.split(n.last+"files", "Files of the last run.", "outcome",
		map[string]int64{"read": o.FilesRead, "refused": o.FilesRefused})
	g.set(n.last+"gates_failed", "Gates of the job that the last run did not pass.", float64(o.GatesFailed))
}

// outlives reports whether a metric of before stays that a push or a textfile does not name.
func (l *LastRun) outlives(name string) bool {
	n := l.names()
	switch name {
	case n.success, n.turned, n.turnedAt:
		return true
	}
	if l.TurnedAway {
		return true
	}
	switch name {
	case n.dates:
		return l.Dates == nil
	case n.output + "graphs", n.output + "orphaned_parts", n.last + "quarantined_graphs", n.last + "files", n.last + "gates_failed":
		return l.Output == nil
	}
	return false
}

// gauges makes metrics and keeps the first error.
type gauges struct {
	to  prometheus.Registerer
	err error
}

func (g *gauges) set(name, help string, value float64) {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	gauge.Set(value)
	g.register(gauge)
}

func (g *gauges) count(name, help string, value float64) {
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	counter.Add(value)
	g.register(counter)
}

func (g *gauges) label(name, help string, labels prometheus.Labels) {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	gauge.Set(1)
	g.register(gauge)
}

func (g *gauges) split(name, help, label string, values map[string]int64) {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label})
	for key, n := range values {
		gauge.WithLabelValues(key).Set(float64(n))
	}
	g.register(gauge)
}

func (g *gauges) register(c prometheus.Collector) {
	if err := g.to.Register(c); g.err == nil {
		g.err = err
	}
}
