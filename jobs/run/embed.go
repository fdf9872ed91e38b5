package run

import (
	"cmp"

	"graphscore/jobs"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/local"
)

// embed makes the step that the job names the embedding of a model. The error is a *jobs.Error.
func embed(job *jobs.Job, m *graph.Model) error {
	if job.Output.Embed == "" {
		return nil
	}
	if err := m.Embed(job.Output.Embed); err != nil {
		return unembedded(job, err.Error())
	}
	return nil
}

func unembedded(job *jobs.Job, reason string) error {
	return &jobs.Error{Path: cmp.Or(job.Path, "--embed "+job.Output.Embed), Reason: "output.embed: " + reason}
}

// embed makes the step that the job names the embedding of the model of the session. What config.json says comes first:
// workers whose Python package is older than embeddings report no steps.
func (s *Session) embed(job *jobs.Job) error {
	if s.pool != nil && job.Output.Embed != "" {
		m, err := local.ReadHeader(job.Model.Path)
		if err != nil {
			return err
		}
		if err := embed(job, m); err != nil {
			return err
		}
		if len(s.Model.Steps) == 0 {
			return unembedded(job, "the workers report no steps of the model: the Python package that they run is older than this graphscore, install the one beside it")
		}
	}
	return embed(job, &s.Model)
}
