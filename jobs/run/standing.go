package run

import (
	"errors"
	"path/filepath"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/observe"
	"graphscore/writers/record"
)

// LastEnded returns the newest record in an output of a run that came to its end, nil where there is none: what the
// output is as of it, however later runs were refused or stopped. Records that cannot be read are passed over. The error
// is an *atomic.IOError.
func LastEnded(output string) (*record.Run, error) {
	paths, err := record.List(output)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		rec, err := record.Read(path)
		var broken *record.Error
		switch {
		case errors.As(err, &broken):
		case err != nil:
			return nil, err
		case CameToItsEnd(rec):
			return rec, nil
		}
	}
	return nil, nil
}

// CameToItsEnd reports whether a record is of a run that looked at all of its input and committed all it could, be it
// nothing, as no file could be read.
func CameToItsEnd(rec *record.Run) bool {
	return exit.Ended(rec.ExitCode) || rec.ExitCode == exit.NoInput && len(rec.Refused) > 0
}

// Standing counts the graphs of the parts that exist once a run is over, those of parts that were done before too.
func Standing(rec *record.Run) (scored, quarantined int64) {
	for i := range rec.Shards {
		if s := &rec.Shards[i]; s.Outcome == string(pipeline.Scored) || s.Outcome == record.ShardSkipped {
			scored += s.Scored
			quarantined += s.Quarantined
		}
	}
	return scored, quarantined
}

// Watched is a job as metrics distinguish it from others.
func Watched(job *jobs.Job) observe.Job {
	of := observe.Job{Name: job.Name, Output: Absolute(job.Output.Path)}
	if job.Series != nil {
		of.Output = Absolute(job.Series.Of.Output.Path)
	}
	if job.Path != "" {
		of.File = Absolute(job.Path)
	}
	return of
}

// Absolute is a path from the root, or as it is where nobody knows.
func Absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
