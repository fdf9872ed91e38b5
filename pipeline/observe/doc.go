// Package observe lets others see a run: a monitor by pings, Prometheus by metrics, a collector by traces.
//
// Words:
//
//   - A ping is a short POST to a monitor that raises an alarm when none comes, in the habit of healthchecks.io:
//     URL/start, then URL/<exit code>.
//   - The last run is what metrics say once a run is over: in a textfile that node_exporter collects, or pushed to
//     a Pushgateway. Live metrics are those of a run that goes on: they are collected from pipeline.Progress when
//     they are asked for, never where graphs move.
//   - A trace is the spans of a run, its shards and some of its calls, as OpenTelemetry has them.
//
// Decisions:
//
//   - Nothing here fails a run that has begun. What cannot be delivered is one warning, after a few seconds at most. Price: a
//     monitor that is down is reported in the log only.
//   - Secrets, the URL of the ping among them, come from the environment or from files (see [Secret]) and are in no
//     error and no log line: they are cut down to scheme and host.
//   - Traces are asked for by the variables of OpenTelemetry alone. Without them there is no exporter, no goroutine, no
//     interceptor, and no scorer in front of the scorer. Its exporters are taken one by one, not by its autoexport, which brings
//     those for metrics and logs, too.
//   - Of the calls only those have spans that were slow, failed, were made again or are drawn: a run of thousands would
//     bury them. Which those are is known at their end, so all are begun, and others leave the process as not sampled,
//     with a word in their tracestate by which our servers decide alike. Not by otelgrpc, which knows neither attempts
//     nor batches and has a span for every call, questions of health included. Price: attributes by hand.
//   - The time of the last success outlives later failures: the textfile takes it over from the one that it
//     replaces, the Pushgateway keeps what a push does not name.
package observe
