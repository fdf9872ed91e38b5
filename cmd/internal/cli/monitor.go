package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/observe"
	"graphscore/writers"
)

// watchHelp ends the help of commands that others may watch.
const watchHelp = "\n\nThe URL in GRAPHSCORE_PING_URL (or in the file GRAPHSCORE_PING_URL_FILE) is\n" +
	"pinged at start and end, as healthchecks.io has it, but not for a run that is to\n" +
	"be tried again later (75); OTEL_EXPORTER_OTLP_ENDPOINT turns traces on."

// monitor is how others see one command: a monitor by its pings, Prometheus by its
// metrics, a collector by its traces.
type monitor struct {
	*env
	id  string    // of the run or the backfill
	job *jobs.Job // once it is known
	// figures adds what the command knows at its end, summarize writes it for people. Each does nothing until the
	// command has something to report.
	figures   func(*observe.LastRun)
	summarize func(io.Writer) error
	series    series
	// silent: nobody is pinged.
	silent bool
	// incomplete: planned parts do not exist, though nothing keeps them from being made: no success, whatever the code.
	incomplete bool

	what   string
	pinger *observe.Pinger
	traces *observe.Traces
	server *observe.Server // nil where nothing is served
	scorer atomic.Pointer[run.Session]
}

// monitor begins one of a "run" or a "backfill", whose id every log line has from now on.
func (e *env) monitor(what string) *monitor {
	m := &monitor{
		env: e, what: what, id: run.NewID(e.start),
		figures: func(*observe.LastRun) {}, summarize: func(io.Writer) error { return nil },
	}
	e.label(what, m.id)
	return m
}

// label adds an attribute to every line from now on.
func (e *env) label(key, value string) {
	e.log = e.log.With(key, value)
	if e.voice != nil {
		e.voice = e.voice.With(key, value)
	}
}

// watch runs a command that others may watch. Nothing of that changes how it ends.
func (m *monitor) watch(ctx context.Context, work func(context.Context, *monitor) error) error {
	m.pinger = m.newPinger(ctx)
	m.traces = observe.NewTraces(ctx, observe.TracesConfig{Version: run.BuildVersion(), Getenv: os.Getenv, Log: m.log})
	traced, end := m.traces.Command(ctx, m.what, "graphscore.run", m.id)
	if id := observe.TraceID(traced); id != "" {
		m.label("trace", id)
	}
	err := m.answered(ctx, run.Stopped(ctx, work(traced, m)))
	end(run.ExitCode(err), err)
	if m.server != nil {
		if err := m.server.Close(ctx); err != nil {
			m.log.WarnContext(ctx, "ending the live metrics", "error", err)
		}
	}
	var g errgroup.Group
	g.Go(func() error {
		m.pinger.End(ctx, observe.Ending{
			Code: run.ExitCode(err), Text: m.text(err), PartlyFails: m.incomplete || m.job != nil && m.job.Ping.Partly == jobs.PartlyFailure,
		})
		return nil
	})
	g.Go(func() error {
		m.publish(ctx, err)
		return nil
	})
	g.Go(func() error {
		m.traces.Close(ctx)
		return nil
	})
	_ = g.Wait() // they warn, and never fail
	return err
}

// failure is an error that is one: not the outcome of a command that did its work.
func failure(err error) error {
	var outcome *run.OutcomeError
	if errors.As(err, &outcome) && outcome.Said {
		return nil
	}
	return err
}

// serve serves metrics and profiles while the command runs, where the job says so and they are not served yet. held is
// asked where the address is in use: a night that is at work on the same outputs serves its metrics there, and its
// *writers.LockedError is how this one ends.
func (m *monitor) serve(ctx context.Context, read func() pipeline.Reading, held func() error) error {
	address := m.job.Metrics.Listen
	if address == "" || m.server != nil {
		return nil
	}
	if err := jobs.CheckListen(address); err != nil {
		return &jobs.Error{Path: m.job.Path, Reason: fmt.Sprintf("metrics.listen %v", err)}
	}
	var err error
	m.server, err = observe.Serve(ctx, address, m.job.Name, func() observe.Live {
		live := observe.Live{Reading: read()}
		if s := m.scorer.Load(); s != nil {
			live.Restarts = s.Restarts()
		}
		return live
	}, m.log)
	if errors.Is(err, syscall.EADDRINUSE) {
		var locked *writers.LockedError
		if other := held(); errors.As(other, &locked) {
			return locked
		}
	}
	if err == nil {
		m.log.InfoContext(ctx, "serving metrics", "url", m.server.URL())
	}
	return err
}

// connected takes the session of the command, once there is one.
func (m *monitor) connected(s *run.Session) {
	m.scorer.Store(s)
	m.traces.Label("graphscore.model.name", s.Model.Name, "graphscore.model.digest", s.Model.Digest)
}

// of takes the job of the command, once it is known.
func (m *monitor) of(job *jobs.Job) {
	m.job = job
	m.traces.Label("graphscore.job", job.Name)
}

func (m *monitor) newPinger(ctx context.Context) *observe.Pinger {
	if m.silent {
		return observe.NewPinger(ctx, observe.PingConfig{RunID: m.id, Log: m.log})
	}
	url, err := observe.PingURL(os.Getenv)
	if err != nil {
		m.log.WarnContext(ctx, "no ping is sent", "error", err)
	}
	return observe.NewPinger(ctx, observe.PingConfig{URL: url, RunID: m.id, Log: m.log})
}

// text is what a monitor shows: the error in one sentence, and the summary where there is one.
func (m *monitor) text(ended error) string {
	var b strings.Builder
	if err := failure(ended); err != nil {
		fmt.Fprintf(&b, "graphscore: error: %s\n", strings.TrimSpace(err.Error()))
	}
	_ = m.summarize(&b) // a builder takes everything
	return b.String()
}
