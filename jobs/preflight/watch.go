package cli

import (
	"context"
	"os"
	"path/filepath"

	"graphscore/pipeline/observe"
)

// checkWatch looks at what others see a run by. But for the port, which a run needs before it begins, nothing of it
// ends a run.
func (d *doctor) checkWatch(ctx context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	m := d.job.Metrics
	if m.Listen != "" {
		if err := observe.TryListen(ctx, m.Listen); err != nil {
			return fails(err)
		}
	}
	if m.Textfile != "" {
		path := observe.TextfilePath(m.Textfile, d.job.Name)
		if err := writableFolder(filepath.Dir(path)); err != nil {
			return doubted("the metrics of a run cannot be written to %s: %v", path, err)
		}
	}
	url, err := observe.Secret(os.Getenv, pingVariable, pingCredential)
	if err != nil {
		return doubted("a run would send no ping: %v", err)
	}
	if _, err := observe.Secret(os.Getenv, pushPassVariable, pushPassCredential); err != nil && m.Pushgateway != "" {
		return doubted("a run would push no metrics: %v", err)
	}
	if url == "" && m.Textfile == "" && m.Pushgateway == "" {
		return passed("no ping and no metrics: nobody is told how a run ends")
	}
	return passed("pings or metrics tell how a run ends")
}
