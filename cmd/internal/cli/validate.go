package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/writers/record"
)

// examples is how many findings validate prints; it counts all of them.
const examples = 10

func (e *env) validateCommand() *cobra.Command {
	f := &jobFlags{}
	cmd := &cobra.Command{
		Use:   "validate [JOB.yaml]",
		Short: "Read and check all that a run would score, without scoring it",
		Long: "Validate reads every graph and says which of them a run would put into\n" +
			"quarantine, and which files it would refuse. Without --model or --server the\n" +
			"first graph says how many features a node has.",
		Example: "  graphscore validate job.yaml\n  graphscore validate --input graphs/",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := e.dated(f, cmd, args)
			if err != nil {
				return err
			}
			return e.validate(cmd.Context(), cfg)
		},
	}
	f.bindInput(cmd)
	f.bindDate(cmd)
	f.bindScorer(cmd)
	e.bindJSON(cmd, "print what was found as one JSON object on standard output")
	return cmd
}

// validation is what validate found, as --json prints it.
type validation struct {
	ending
	Files  int   `json:"files"`
	Graphs int64 `json:"graphs"`
	// Nodes and Edges are those of graphs that can be scored.
	Nodes int64 `json:"nodes"`
	Edges int64 `json:"edges"`
	// Quarantined are the graphs that a run would put there, by reason in QuarantinedByCode; Findings are the first of them.
	Quarantined       int64                `json:"quarantined"`
	QuarantinedByCode map[graph.Code]int64 `json:"quarantined_by_code"`
	Findings          []finding            `json:"findings"`
	Refused           []record.RefusedFile `json:"refused"`
	Unfinished        []string             `json:"unfinished"`
	// Hint is a likely reason for the findings, "" for none.
	Hint string `json:"hint"`
}

// finding is one graph that cannot be scored. GraphID is null where the input has none.
type finding struct {
	File     string     `json:"file"`
	RowGroup int        `json:"row_group"`
	Row      int64      `json:"row"`
	GraphID  any        `json:"graph_id"`
	Reason   graph.Code `json:"reason"`
	Message  string     `json:"message"`
}

func (e *env) validate(ctx context.Context, cfg run.Config) error {
	if len(cfg.Job.Input.Path) == 0 {
		return usagef("validate needs a job file or --input: see graphscore validate --help")
	}
	if err := checkable(cfg).CheckJob(); err != nil {
		return err
	}
	in, err := cfg.ReadPlan(ctx)
	if err != nil {
		return err
	}
	wanted, limits, err := in.Expect(ctx)
	if err != nil {
		return err
	}
	v := &validation{Files: in.Files(), Findings: []finding{}, Unfinished: append([]string{}, in.Plan.LeftOut.Unfinished...)}
	found, err := in.Scan(ctx, wanted, limits, run.Observer{
		Batch: func(*graph.Batch) {},
		Reject: func(file *readers.File, r graph.Rejection) {
			if len(v.Findings) == examples {
				return
			}
			v.Findings = append(v.Findings, finding{file.Path, r.RowGroup, r.Row, r.GraphID, r.Code, r.Message})
			if !e.asJSON {
				fmt.Fprintln(e.stdout, display.Line(fmt.Sprintf("%s: row %d (graph %v): %s: %s", file.Path, r.Row, r.GraphID, r.Code, r.Message)))
			}
		},
	})
	if err != nil {
		return err
	}
	c := &found.Result.Counts
	v.Graphs, v.Nodes, v.Edges, v.Quarantined, v.Hint = c.Rows, c.Nodes, c.Edges, c.Quarantined, found.Hint
	if v.QuarantinedByCode = c.Codes; c.Codes == nil {
		v.QuarantinedByCode = map[graph.Code]int64{}
	}
	v.Refused = append([]record.RefusedFile{}, e.sayUnread(in, found)...)
	if e.asJSON {
		e.answer = func(end ending) any { v.ending = end; return v }
	} else {
		e.printVerdict(v)
	}
	if err := v.verdict(); err != nil {
		return err
	}
	return in.Outcome(0, true, nil, 0) // what is not finished
}

// checkable is the job with an output and a model, which need not be named here, so that the rest of it is checked
// as a run checks it.
func checkable(cfg run.Config) run.Config {
	full := *cfg.Job
	full.Output.Path = cmp.Or(full.Output.Path, "unnamed")
	if len(full.Server.Addresses) == 0 {
		full.Model.Path = cmp.Or(full.Model.Path, "unnamed")
	}
	cfg.Job = &full
	return cfg
}

// verdict is how validate ends because of what it found.
func (v *validation) verdict() error {
	switch {
	case v.unreadable():
		return &run.OutcomeError{Code: exit.NoInput, Message: "no input could be read", Said: true}
	case len(v.Refused) > 0 || v.Quarantined > 0:
		return &run.OutcomeError{Code: exit.CheckFailed, Message: "validate has findings: " + v.findings(), Said: true}
	}
	return nil
}

// unreadable reports whether there are files and none of them can be read.
func (v *validation) unreadable() bool { return v.Files > 0 && len(v.Refused) == v.Files }

// findings counts what cannot be scored.
func (v *validation) findings() string {
	text := fmt.Sprintf("%s refused, %s for quarantine", display.Plural(int64(len(v.Refused)), "file"), display.Plural(v.Quarantined, "graph"))
	if len(v.QuarantinedByCode) > 0 {
		text += fmt.Sprintf(" (%s)", display.Counts(v.QuarantinedByCode))
	}
	return text
}

// printVerdict prints what the findings come to.
func (e *env) printVerdict(v *validation) {
	if v.Quarantined > examples {
		fmt.Fprintf(e.stdout, "... and %s more\n", humanize.Comma(v.Quarantined-examples))
	}
	if !e.quiet {
		fmt.Fprintf(e.stdout, "%s, %s, %s nodes, %s edges: ", display.Plural(int64(v.Files), "file"), display.Plural(v.Graphs, "graph"),
			humanize.Comma(v.Nodes), humanize.Comma(v.Edges))
	}
	switch {
	case v.unreadable():
		fmt.Fprintln(e.stdout, "no file could be read")
	case len(v.Refused) > 0 || v.Quarantined > 0:
		fmt.Fprintln(e.stdout, v.findings())
	case !e.quiet:
		fmt.Fprintln(e.stdout, "all can be scored")
	}
}
