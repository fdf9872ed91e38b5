package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"graphscore/pipeline/graph"
)

// LastRun is what the metrics say of a run that is over.
type LastRun struct {
	// Job is the name of the job, the label of every metric.
	Job      string
	Ended    time.Time
	ExitCode int
	// Success says that the exit code is one of a run that did its work.
	Success bool
	// Seconds is the whole run, StartupSeconds the part of it before the first scoring request.
	Seconds, StartupSeconds float64
	// Scored, Quarantined and Skipped are graphs of the input.
	Scored, Quarantined, Skipped int64
	// Codes splits the graphs in quarantine by reason, those of skipped parts too.
	Codes                   map[string]int64
	FilesRead, FilesRefused int64
	Retries                 int64
	// PeakRun and PeakWorkers are in bytes, 0 where they are not known.
	PeakRun, PeakWorkers int64
	GatesFailed          int64
}

// knownCodes are always there, at 0 where no graph has them: a Pushgateway keeps what is not pushed.
var knownCodes = [...]graph.Code{
	graph.NullValue, graph.FeatureWidth, graph.NonFiniteFeature, graph.NonFiniteWeight, graph.EdgeOutOfRange,
	graph.MalformedEdges, graph.NodeCount, graph.DuplicateNodeID, graph.TooLarge, graph.NonFiniteScore, graph.Refused,
}

const (
	lastPrefix  = "graphscore_last_run_"
	successName = "graphscore_last_success_timestamp_seconds"
)

// gather puts the metrics into a registry. succeeded is the time of the last success before this run, 0 for none.
func (l *LastRun) gather(to prometheus.Registerer, succeeded float64) error {
	g := gauges{to: to}
	ended := float64(l.Ended.UnixMilli()) / 1000
	if l.Success {
		succeeded = ended
	}
	g.set(lastPrefix+"timestamp_seconds", "When the last run ended.", ended)
	if succeeded > 0 {
		g.set(successName, "When the last run ended that exited with 0 or 3.", succeeded)
	}
	g.set(lastPrefix+"exit_code", "Exit code of the last run.", float64(l.ExitCode))
	g.set(lastPrefix+"duration_seconds", "How long the last run took, from the start of the process.", l.Seconds)
	g.set(lastPrefix+"startup_seconds", "How long the last run took until its first scoring request.", l.StartupSeconds)
	g.split(lastPrefix+"graphs", "Graphs of the last run.", "outcome",
		map[string]int64{"scored": l.Scored, "quarantined": l.Quarantined, "skipped": l.Skipped})
	quarantined := map[string]int64{}
	for _, code := range knownCodes {
		quarantined[string(code)] = 0
	}
	for code, n := range l.Codes {
		quarantined[code] = n
	}
	g.split(lastPrefix+"quarantined_graphs", "Graphs in quarantine when the last run ended, those of skipped parts too.", "code", quarantined)
	g.split(lastPrefix+"files", "Files of the last run.", "outcome",
		map[string]int64{"read": l.FilesRead, "refused": l.FilesRefused})
	g.set(lastPrefix+"retries", "Scoring calls that the last run made again.", float64(l.Retries))
	g.split(lastPrefix+"peak_memory_bytes", "Largest resident memory during the last run, 0 where it is not known.", "process",
		map[string]int64{"run": l.PeakRun, "workers": l.PeakWorkers})
	g.set(lastPrefix+"gates_failed", "Gates of the job that the last run did not pass.", float64(l.GatesFailed))
	return g.err
}

// gauges makes gauges and keeps the first error.
type gauges struct {
	to  prometheus.Registerer
	err error
}

func (g *gauges) set(name, help string, value float64) {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	gauge.Set(value)
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
