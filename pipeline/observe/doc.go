// Package observe lets others see a run: a monitor by pings, Prometheus by metrics, a collector by traces.
//
// Words:
//
//   - A ping is a short POST to a monitor that raises an alarm when none comes, in the habit of healthchecks.io:
//     URL/start, then URL/<exit code>.
//   - The last run is what metrics say once a run is over: in a textfile that node_exporter collects, or pushed to
//     a Pushgateway. Live metrics are those of a run that goes on: they are collected from pipeline.Progress when
//     they are asked for, never where graphs move.
//   - A trace is the spans of a run, its shards and its scoring calls, as OpenTelemetry has them.
//
// Decisions:
//
//   - Nothing here fails a run that has begun. What cannot be delivered is one warning, after a few seconds at most. Price: a
//     monitor that is down is reported in the log only.
//   - Secrets, the URL of the ping among them, come from the environment or from files (see [Secret]) and are in no
//     error and no log line: they are cut down to scheme and host.
//   - Traces are asked for by the variables of OpenTelemetry alone. Without them there is no exporter, no goroutine,
//     and no scorer in front of the scorer. Its exporters are taken one by one, not by its autoexport, which brings
//     those for metrics and logs, too.
//   - The time of the last success outlives later failures: the textfile takes it over from the one that it
//     replaces, the Pushgateway keeps what a push does not name.
package observe
