package preflight

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline/observe"
	"graphscore/writers"
)

// checkListen returns the error of a command that cannot serve its metrics, nil where it can or does not. held is asked
// where the port is in use: where it reports that another command has the lock, that is the error.
func checkListen(ctx context.Context, job *jobs.Job, held func() error) error {
	address := job.Metrics.Listen
	if address == "" {
		return nil
	}
	if err := jobs.CheckListen(address); err != nil {
		return &jobs.Error{Path: job.Path, Reason: fmt.Sprintf("metrics.listen %v", err)}
	}
	err := observe.TryListen(ctx, address)
	var locked *writers.LockedError
	if errors.Is(err, syscall.EADDRINUSE) && errors.As(held(), &locked) {
		return locked
	}
	return err
}

// pushgatewayReady asks the Pushgateway as a run would.
func pushgatewayReady(ctx context.Context, url string) error {
	if err := jobs.CheckPushgateway(url); err != nil {
		return err
	}
	password, err := observe.PushgatewayPassword(os.Getenv)
	if err != nil {
		return err
	}
	return observe.Pushgateway{URL: url, User: os.Getenv(observe.PushUserVariable), Password: password}.Ready(ctx)
}

// checkWatch looks at what others see a run by. But for the port, which a run needs before it takes its output, nothing of
// it ends a run.
func checkWatch(ctx context.Context, k *known) Finding {
	m := k.cfg.Job.Metrics
	var locked *writers.LockedError
	var taken *observe.ListenError
	switch err := checkListen(ctx, k.cfg.Job, k.cfg.CheckHeld); {
	case errors.As(err, &locked):
		return unchecked("metrics.listen is in use, by the run that holds the output")
	case errors.As(err, &taken):
		return fail(serving, err)
	case err != nil:
		return fail(opening, err)
	}
	if m.Textfile != "" {
		path := observe.TextfilePath(m.Textfile, k.cfg.Job.Name, false)
		if err := writableFolder(filepath.Dir(path)); err != nil {
			return warn("the metrics of a run cannot be written to %s: %v", path, err)
		}
		var lost *observe.LostError
		if err := observe.CheckTextfile(path, run.Watched(k.cfg.Job)); errors.As(err, &lost) {
			return warn("the metrics of a run replace a file that holds none: %s %s", lost.Place, lost.Reason)
		} else if err != nil {
			return warn("the metrics of a run are not written: %v", err)
		}
	}
	url, err := observe.PingURL(os.Getenv)
	if err != nil {
		return warn("a run would send no ping: %v", err)
	}
	if url != "" {
		if err := observe.CheckPingURL(url); err != nil {
			return warn("a run would send no ping: %v", err)
		}
	}
	if m.Pushgateway != "" {
		if err := pushgatewayReady(ctx, m.Pushgateway); err != nil {
			return warn("a run would push no metrics: %v", err)
		}
	}
	if url == "" && m.Textfile == "" && m.Pushgateway == "" {
		return ok("no ping, textfile or Pushgateway is set: failures go unreported")
	}
	return ok("pings or metrics report how a run ends")
}
