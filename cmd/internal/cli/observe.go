package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/local"
	"graphscore/pipeline/observe"
	"graphscore/pipeline/remote"
	"graphscore/writers/record"
)

// Where the secrets of what watches a run come from: see observe.Secret.
const (
	pingVariable, pingCredential         = "GRAPHSCORE_PING_URL", "ping_url"
	pushUserVariable                     = "GRAPHSCORE_PUSHGATEWAY_USER"
	pushPassVariable, pushPassCredential = "GRAPHSCORE_PUSHGATEWAY_PASSWORD", "pushgateway_password"
)

// watchHelp ends the help of commands that others may watch.
const watchHelp = "\n\nThe URL in GRAPHSCORE_PING_URL (or in the file GRAPHSCORE_PING_URL_FILE) is told\n" +
	"of start and end, as healthchecks.io has it; OTEL_EXPORTER_OTLP_ENDPOINT turns\n" +
	"traces on."

// observation is how others see one command: a monitor by its pings, Prometheus by its
// metrics, a collector by its traces.
type observation struct {
	*env
	id  string    // of the run or the backfill
	job *jobs.Job // once it is known
	// tell adds what the command knows at its end, summarize writes it for people. Each may be nil.
	tell      func(*observe.LastRun)
	summarize func(io.Writer) error

	what   string
	traces *observe.Traces
	server *observe.Server // nil where nothing is served
	pool   atomic.Pointer[local.Pool]
}

// observation begins one of a "run" or a "backfill", whose id every log line has from now on.
func (e *env) observation(what string) *observation {
	o := &observation{env: e, what: what, id: record.NewID(e.start, rand.Reader)}
	e.log = e.log.With(what, o.id)
	return o
}

// observed runs a command that others may watch. Nothing of that changes how it ends.
func (o *observation) observed(ctx context.Context, work func(context.Context, *observation) error) error {
	pinger := o.pinger(ctx)
	pinger.Start(ctx)
	o.traces = observe.NewTraces(ctx, observe.TracesConfig{Version: buildVersion(), Getenv: os.Getenv, Log: o.log})
	traced, end := o.traces.Command(ctx, o.what, "graphscore.run", o.id)
	if id := observe.TraceID(traced); id != "" {
		o.log = o.log.With("trace", id)
	}
	err := o.signalled(work(traced, o))
	end(exitCode(err), failure(err))
	if o.server != nil {
		if err := o.server.Close(ctx); err != nil {
			o.log.WarnContext(ctx, "ending the live metrics", "error", err)
		}
	}
	var g errgroup.Group
	g.Go(func() error {
		pinger.End(ctx, exitCode(err), o.text(err))
		return nil
	})
	g.Go(func() error {
		o.publish(ctx, err)
		return nil
	})
	g.Go(func() error {
		o.traces.Close(ctx)
		return nil
	})
	_ = g.Wait() // they warn, and never fail
	return err
}

// failure is an error that is one: not the outcome of a command that did its work.
func failure(err error) error {
	var outcome *outcomeError
	if errors.As(err, &outcome) && outcome.said {
		return nil
	}
	return err
}

// serve serves metrics and profiles while the command runs, where the job says so.
func (o *observation) serve(ctx context.Context, read func() pipeline.Reading) error {
	address := o.job.Metrics.Listen
	if address == "" {
		return nil
	}
	if err := jobs.CheckListen(address); err != nil {
		return &jobs.Error{Path: o.job.Path, Reason: fmt.Sprintf("metrics.listen %v", err)}
	}
	var err error
	o.server, err = observe.Serve(ctx, address, o.job.Name, func() observe.Live {
		live := observe.Live{Reading: read()}
		if pool := o.pool.Load(); pool != nil {
			live.Restarts = int64(pool.Restarts())
		}
		return live
	}, o.log)
	if err == nil {
		o.log.InfoContext(ctx, "serving metrics", "url", o.server.URL())
	}
	return err
}

// connected is told of the session of the command, also by runs that nobody watches.
func (o *observation) connected(s *session) {
	if o != nil && s != nil {
		o.pool.Store(s.pool)
	}
}

// tracing gives the traces of the command, nil where there are none.
func (o *observation) tracing() *observe.Traces {
	if o == nil {
		return nil
	}
	return o.traces
}

// begin names the calls of a shard, and traces it.
func (r *run) begin(ctx context.Context, shard string) (context.Context, func(pipeline.ShardResult)) {
	ctx, end := r.seen.tracing().Shard(ctx, shard)
	return remote.Label(ctx, r.id, shard), end
}

func (o *observation) pinger(ctx context.Context) *observe.Pinger {
	url, err := observe.Secret(os.Getenv, pingVariable, pingCredential)
	if err != nil {
		o.log.WarnContext(ctx, "no ping is sent", "error", err)
	}
	return observe.NewPinger(ctx, observe.PingConfig{URL: url, RunID: o.id, Log: o.log})
}

// publish says in metrics how the command ended, where the job is known and wants any.
func (o *observation) publish(ctx context.Context, ended error) {
	if o.job == nil {
		return
	}
	last := o.lastRun(ended)
	if path := o.job.Metrics.Textfile; path != "" {
		o.delivered(ctx, observe.WriteTextfile(observe.TextfilePath(path, last.Job), last))
	}
	if url := o.job.Metrics.Pushgateway; url != "" && jobs.CheckPushgateway(url) == nil {
		password, err := observe.Secret(os.Getenv, pushPassVariable, pushPassCredential)
		if err == nil {
			gateway := observe.Pushgateway{URL: url, User: os.Getenv(pushUserVariable), Password: password}
			err = gateway.Push(ctx, last)
		}
		o.delivered(ctx, err)
	}
}

func (o *observation) delivered(ctx context.Context, err error) {
	if err != nil {
		o.log.WarnContext(ctx, "metrics were not delivered: nothing else is touched", "error", err)
	}
}

func (o *observation) lastRun(ended error) *observe.LastRun {
	now := o.now()
	code := exitCode(ended)
	last := &observe.LastRun{
		Job: o.job.Name, Ended: now, ExitCode: code, Success: code == exitDone || code == exitPartly,
		Seconds: elapsed(o.start, now), StartupSeconds: elapsed(o.start, now), PeakRun: local.PeakMemory(os.Getpid()),
	}
	if o.tell != nil {
		o.tell(last)
	}
	return last
}

// text is what a monitor shows: the error in one sentence, and the summary where there is one.
func (o *observation) text(ended error) string {
	var b strings.Builder
	if err := failure(ended); err != nil {
		fmt.Fprintf(&b, "graphscore: error: %s\n", strings.TrimSpace(err.Error()))
	}
	if o.summarize != nil {
		_ = o.summarize(&b) // a builder takes everything
	}
	return b.String()
}

// lastRun tells of a run that came as far as a record.
func (r *run) lastRun(l *observe.LastRun) {
	if r.rec == nil {
		return
	}
	addLast(l, &r.rec.Counts, r.rec)
	l.StartupSeconds, l.PeakWorkers = r.rec.StartupSeconds, r.rec.PeakMemory.Workers
}

// lastRun tells of a backfill: sums over its dates.
func (b *backfill) lastRun(l *observe.LastRun) {
	if first := b.meter.read().first; !first.IsZero() {
		l.StartupSeconds = elapsed(b.start, first)
	}
	l.PeakWorkers = b.workerMemory
	for i := range b.entries {
		addLast(l, &b.entries[i].Counts, b.entries[i].rec)
	}
}

// addLast adds counts, and what only the record of a run tells, where there is one.
func addLast(l *observe.LastRun, c *record.Counts, rec *record.Run) {
	l.Scored += c.Scored
	l.Quarantined += c.Quarantined
	l.Skipped += c.Skipped
	l.FilesRead += c.Files - c.FilesRefused
	l.FilesRefused += c.FilesRefused
	l.Retries += c.Retries
	if rec == nil {
		return
	}
	for code, n := range rec.QuarantinedByCode {
		if l.Codes == nil {
			l.Codes = map[string]int64{}
		}
		l.Codes[code] += n
	}
	for i := range rec.Gates {
		if !rec.Gates[i].Passed {
			l.GatesFailed++
		}
	}
}
