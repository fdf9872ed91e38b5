package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"graphscore/pipeline"
	"graphscore/pipeline/display"
)

// Live is what metrics say of a run while it goes on, a backfill as the sum over its dates.
type Live struct {
	pipeline.Reading
	// Restarts counts the local workers that were started in place of dead ones.
	Restarts int64
}

// live collects when it is asked, so that the run itself has no work with it.
type live struct {
	read                                                   func() Live
	graphs, nodes, edges, requests, retries, shards, stage *prometheus.Desc
	restarts, planned, inFlight, calls, requestBytes       *prometheus.Desc
}

func newLive(job string, read func() Live) *live {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("graphscore_"+name, help, labels, prometheus.Labels{"job": display.Line(job)})
	}
	return &live{
		read:     read,
		graphs:   desc("graphs_total", "Graphs that were scored, put into quarantine, or skipped as done before.", "outcome"),
		nodes:    desc("nodes_total", "Nodes of scored graphs."),
		edges:    desc("edges_total", "Edges of scored graphs."),
		requests: desc("requests_total", "Scoring calls that were answered."),
		retries:  desc("retries_total", "Scoring calls that were made again."),
		shards:   desc("shards_total", "Shards that have ended, in whatever way."),
		stage:    desc("stage_seconds_total", "Time spent in a stage, added up over what works side by side.", "stage"),
		restarts: desc("worker_restarts_total", "Local workers that were started in place of dead ones."),
		planned:  desc("planned_graphs", "Graphs of the input, as planned."),
		inFlight: desc("in_flight_bytes", "Bytes of requests that are read and not yet written."),

		calls:        desc("calls_allowed", "Scoring calls that may be under way at once: fewer while the scorer is under pressure."),
		requestBytes: desc("request_bytes_allowed", "Size up to which graphs share a scoring call: less while the scorer is under pressure."),
	}
}

// Describe implements prometheus.Collector.
func (l *live) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(l, to) }

// Collect implements prometheus.Collector.
func (l *live) Collect(to chan<- prometheus.Metric) {
	r := l.read()
	total := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, value, labels...)
	}
	total(l.graphs, float64(r.Scored), "scored")
	total(l.graphs, float64(r.Quarantined), "quarantined")
	total(l.graphs, float64(r.Skipped), "skipped")
	total(l.nodes, float64(r.Nodes))
	total(l.edges, float64(r.Edges))
	total(l.requests, float64(r.Requests))
	total(l.retries, float64(r.Retries))
	total(l.shards, float64(r.Shards))
	total(l.stage, r.Stages.Read.Seconds(), "read")
	total(l.stage, r.Stages.Pack.Seconds(), "pack")
	total(l.stage, r.Stages.Transport.Seconds(), "transport")
	total(l.stage, r.Stages.Model.Seconds(), "model")
	total(l.stage, r.Stages.Write.Seconds(), "write")
	total(l.restarts, float64(r.Restarts))
	to <- prometheus.MustNewConstMetric(l.planned, prometheus.GaugeValue, float64(r.Planned))
	to <- prometheus.MustNewConstMetric(l.inFlight, prometheus.GaugeValue, float64(r.InFlight))
	to <- prometheus.MustNewConstMetric(l.calls, prometheus.GaugeValue, float64(r.Calls))
	to <- prometheus.MustNewConstMetric(l.requestBytes, prometheus.GaugeValue, float64(r.RequestBytes))
}
