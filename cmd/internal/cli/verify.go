package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/verify"
	"graphscore/writers"
)

func (e *env) verifyCommand() *cobra.Command {
	v := &verification{env: e, flags: &jobFlags{}}
	cmd := &cobra.Command{
		Use:   "verify DIR | JOB.yaml",
		Short: "Read an output back and say what is wrong with it",
		Long: "Verify reads every part and holds it against its footer and its quarantine\n" +
			"file, names what does not belong there, and checks that _SUCCESS is right to\n" +
			"be there. With a job or --input it compares every graph with the input, in\n" +
			"order; with --sample it also scores a share of the graphs again: to the bit\n" +
			"where BLAS kernel and versions are those of the run, else to 1e-5. It changes\n" +
			"nothing, and ends with 4 where something is wrong.",
		Example: "  graphscore verify scores/\n  graphscore verify job.yaml --sample 1%\n" +
			"  graphscore verify scores/ --input graphs/ --model model/ --sample 0.5%",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.checkFormat(cmd, &v.format); err != nil {
				return err
			}
			if len(args) != 1 {
				return usagef("verify takes an output folder or a job file, not %d arguments: see graphscore verify --help", len(args))
			}
			return v.execute(cmd, args[0])
		},
	}
	v.flags.bindInput(cmd)
	v.flags.bindDate(cmd)
	v.flags.bindScorer(cmd)
	flags := cmd.Flags()
	flags.StringVar(&v.flags.output, "output", "", "`DIR` of a job's scores, if they lie elsewhere")
	flags.StringVar(&v.sample, "sample", "", "`SHARE` of the graphs to score again, as 1% or 0.01")
	e.bindFormat(cmd, &v.format)
	return cmd
}

// verifyObject is a verification as --json prints it.
type verifyObject struct {
	ending
	*verify.Report
}

// verification is one execution of verify.
type verification struct {
	*env
	flags          *jobFlags
	sample, format string
}

func (v *verification) execute(cmd *cobra.Command, target string) error {
	share, err := parseShare(v.sample)
	if err != nil {
		return err
	}
	job, err := v.outputJob(cmd, v.flags, target)
	if err != nil {
		return err
	}
	if err := outputThere(job.Output.Path); err != nil {
		return err
	}
	if share > 0 && (len(job.Input.Path) == 0 || job.Model.Path == "" && len(job.Server.Addresses) == 0) {
		return usagef("--sample needs to know what to score and with what: name a job file, or --input and --model or --server")
	}
	cfg := verify.Config{Dir: job.Output.Path}
	ctx := cmd.Context()
	if len(job.Input.Path) > 0 {
		if cfg.Input, err = v.input(ctx, job); err != nil {
			return err
		}
	}
	report, err := v.run(ctx, job, cfg, share)
	if err != nil {
		return err
	}
	return v.print(report, cfg.Input != nil)
}

// outputJob is what an argument and the flags make: a folder is a job of nothing but its output.
func (e *env) outputJob(cmd *cobra.Command, f *jobFlags, target string) (*jobs.Job, error) {
	info, err := os.Stat(target)
	if err == nil && !info.IsDir() {
		job, err := f.job(cmd, []string{target})
		if err != nil {
			return nil, err
		}
		job, _, err = e.onDate(f, job)
		if err == nil && job.Output.Path == "" {
			err = &jobs.Error{Path: job.Path, Reason: "output.path is missing: name the folder of the scores (or use --output)"}
		}
		return job, err
	}
	if err != nil && strings.HasSuffix(target, ".yaml") {
		return nil, &jobs.Error{Path: target, Reason: "the job file is not there: check the path"}
	}
	if f.output != "" {
		return nil, usagef("--output is given beside the output folder %q: keep one", target)
	}
	f.output = target
	return f.job(cmd, nil)
}

// input plans the input as the run did. It is nil, and said, where a job's input is gone.
func (v *verification) input(ctx context.Context, job *jobs.Job) (verify.Input, error) {
	in, err := v.config(v.flags, job, "").ReadOutputPlan(ctx)
	if code := run.ExitCode(err); code == exit.NotThere && len(v.flags.inputs) == 0 && !v.flags.mustExist {
		v.say(slog.LevelWarn, fmt.Sprintf("%v: the scores are not compared with it", err))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

// run verifies, with workers or a connection where a sample is scored.
func (v *verification) run(ctx context.Context, job *jobs.Job, cfg verify.Config, share float64) (*verify.Report, error) {
	switch {
	case cfg.Input == nil:
		return v.alone(ctx, cfg)
	case share == 0:
		return verify.Run(ctx, cfg)
	default:
		return v.config(v.flags, job, "").VerifySample(ctx, cfg, share)
	}
}

// alone verifies a folder without its input: an output, or one that holds those of several dates.
func (v *verification) alone(ctx context.Context, cfg verify.Config) (*verify.Report, error) {
	inv, err := writers.NewView(cfg.Dir).List(ctx)
	if err != nil {
		return nil, err
	}
	if inv.Lock || len(inv.Outputs) == 0 {
		return verify.Run(ctx, cfg)
	}
	all := &verify.Report{Output: cfg.Dir, Findings: []verify.Finding{}}
	within := func(name string) bool {
		return slices.ContainsFunc(inv.Outputs, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
	}
	for _, name := range slices.Concat(inv.Temporary, inv.Foreign, inv.Parts) {
		if !within(name) && !strings.HasPrefix(name, "_runs/") {
			all.FoundWrong++
			all.Findings = append(all.Findings, verify.Finding{Path: name, What: "it is in no output: move it away"})
		}
	}
	for _, dir := range inv.Outputs {
		r, err := verify.Run(ctx, verify.Config{Dir: filepath.Join(cfg.Dir, filepath.FromSlash(dir))})
		if err != nil {
			return nil, err
		}
		all.Add(r, dir)
	}
	return all, nil
}

// parseShare reads 1% or 0.01. Nothing is 0.
func parseShare(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	share, err := jobs.ParseShare(text)
	if err != nil || share == 0 {
		return 0, usagef("--sample is %q: write a share above 0 and up to 100%%, as 1%% or 0.01", text)
	}
	return float64(share), nil
}

// print prints the report.
func (v *verification) print(r *verify.Report, compared bool) error {
	var err error
	if v.asJSON {
		v.answer = func(end ending) any { return verifyObject{end, r} }
	} else {
		_, err = fmt.Fprint(v.stdout, v.text(r, compared))
	}
	if err == nil && r.FoundWrong > 0 {
		return &run.OutcomeError{Code: exit.CheckFailed, Message: "the output is not as it should be", Said: true}
	}
	return err
}

// text is the findings, one a line, and the summary.
func (v *verification) text(r *verify.Report, compared bool) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s\n", display.Line(f.Path), display.Line(f.What))
	}
	if more := r.FoundWrong - len(r.Findings); more > 0 {
		fmt.Fprintf(&b, "... and %s more\n", humanize.Comma(int64(more)))
	}
	if !v.quiet {
		v.summary(&b, r, compared)
	}
	return b.String()
}

func (v *verification) summary(b *strings.Builder, r *verify.Report, compared bool) {
	fmt.Fprintf(b, "%s\n  right: %s, %s", r.Output, display.Plural(int64(r.Parts), "part"), display.Plural(r.Graphs, "graph"))
	switch r.Level {
	case graph.GraphLevel.String(): // a row a graph
	case "":
		fmt.Fprintf(b, ", %s", display.Plural(r.Nodes, "node"))
	default:
		fmt.Fprintf(b, ", %s", display.Plural(r.Rows, r.Level))
	}
	fmt.Fprintf(b, ", %s in quarantine\n", humanize.Comma(r.Quarantined))
	if compared {
		fmt.Fprintf(b, "  compared with the input: %s", display.Plural(int64(r.Compared), "part"))
		if r.Orphaned > 0 {
			fmt.Fprintf(b, "; %s whose input is gone", display.Plural(int64(r.Orphaned), "part"))
		}
		fmt.Fprintln(b)
	} else {
		fmt.Fprintln(b, "  not compared with the input: name a job file, or --input")
	}
	if v.sample != "" && r.Sampled == 0 && compared && r.Graphs > 0 && r.FoundWrong == 0 {
		fmt.Fprintf(b, "  scored again: none, as --sample %s drew no graph: take a larger share\n", v.sample)
	}
	if r.Sampled > 0 {
		fmt.Fprintf(b, "  scored again: %s, %s of them to the bit\n", display.Plural(r.Sampled, "graph"), humanize.Comma(r.SampledExactly))
	}
	if r.FoundWrong > 0 {
		fmt.Fprintf(b, "  wrong: %s\n", display.Plural(int64(r.FoundWrong), "finding"))
		return
	}
	fmt.Fprintln(b, "  nothing is wrong")
}
