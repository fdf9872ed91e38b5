package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"graphscore/jobs/run"
	"graphscore/jobs/submit"
	"graphscore/pipeline/display"
)

func (e *env) statusCommand() *cobra.Command {
	f := &jobFlags{}
	cmd := &cobra.Command{
		Use:   "status [JOB.yaml]",
		Short: "Report how far an output is that several processes fill",
		Long: "Status reports how many parts of a job exist, who is at work on its output, and\n" +
			"what the engine of its last submission says of the tasks. It reads footers and\n" +
			"locks, and changes nothing.",
		Example: "  graphscore status job.yaml\n" +
			"  graphscore status nightly.yaml --date 2026-01-31 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := e.dated(f, cmd, args)
			if err != nil {
				return err
			}
			run.LimitMemory(cfg.Job.Limits)
			status, err := submit.StatusOf(cmd.Context(), cfg, &submit.Slurm{Options: cfg.Job.Submit.Slurm})
			if err != nil {
				return err
			}
			return e.printStatus(status)
		},
	}
	f.bindInput(cmd)
	f.bindModel(cmd)
	cmd.Flags().StringVar(&f.output, "output", "", "`DIR` of the scores")
	f.bindDate(cmd)
	e.bindJSON(cmd, "print one JSON object on standard output")
	return cmd
}

// printStatus prints a status as lines, or as the object of --json.
func (e *env) printStatus(s *submit.Status) error {
	e.answer = func(end ending) any {
		return struct {
			ending
			*submit.Status
		}{end, s}
	}
	if e.asJSON {
		return nil
	}
	_, err := io.WriteString(e.stdout, statusText(s))
	return err
}

// statusText is a status for people.
func statusText(s *submit.Status) string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s%s\n", what, display.Line(fmt.Sprintf(format, args...)))
	}
	success := "no _SUCCESS"
	if s.Success {
		success = "_SUCCESS"
	}
	line("output", "%s (%s)", s.Output, success)
	line("parts", "%s of %s exist", humanize.Comma(int64(s.Parts)), humanize.Comma(int64(s.OfParts)))
	line("graphs", "%s of %s", humanize.Comma(s.Graphs), humanize.Comma(s.OfGraphs))
	if s.Held != "" {
		line("at work", "%s", s.Held)
	}
	if s.SubmitID == "" {
		return b.String()
	}
	ended := "ended"
	if s.Followed {
		ended = "not ended"
	}
	line("submitted", "%s, %s to %s, %s", s.SubmitID, display.Plural(int64(s.Shards), "shard"), s.Engine, ended)
	if s.Followed && s.Unknown == "" {
		line("tasks", "%d running, %d waiting", s.Running, s.Waiting)
	}
	if s.Unknown != "" {
		line("tasks", "%s", s.Unknown)
	}
	if len(s.Lacking) > 0 {
		line("lacking", "%s", display.Plural(int64(len(s.Lacking)), "shard")+": "+display.Ranges(s.Lacking))
	}
	for _, f := range s.Failed {
		line("failed", "%s", submit.Describe(f))
	}
	return b.String()
}
