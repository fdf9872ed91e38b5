package cli

import (
	"math"
	"time"

	"github.com/spf13/cobra"

	"graphscore/jobs/preflight"
	"graphscore/jobs/run"
)

func (e *env) planCommand() *cobra.Command {
	f, p := &jobFlags{}, &planFlags{}
	cmd := &cobra.Command{
		Use:   "plan [JOB.yaml]",
		Short: "Report what a run would do and cost, and change nothing",
		Long: "Plan reports what a run would score, skip as done, redo and refuse, from the\n" +
			"footers of input and output and the first graphs. No worker is started, nothing\n" +
			"is written, and no output folder need be there. Of the gates it has those that\n" +
			"the input alone decides. With --calibrate it scores a sample with the real\n" +
			"workers, writes nothing, and says what a run will take.\n" +
			"It exits with 0 where a run could start, else with the code of the run. In the\n" +
			"former case --out writes the plan into a file, for runs that share one.",
		Example: "  graphscore plan job.yaml\n" +
			"  graphscore plan job.yaml --calibrate --price-per-hour 0.40\n" +
			"  graphscore plan --input graphs/ --model model/ --output scores/ --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.checkFormat(cmd, &p.format); err != nil {
				return err
			}
			if err := p.check(cmd); err != nil {
				return err
			}
			cfg, err := e.dated(f, cmd, args)
			if err != nil {
				return err
			}
			run.LimitMemory(cfg.Job.Limits)
			forecast, err := preflight.Plan(cmd.Context(), cfg, p.PlanOptions)
			if err != nil {
				return err
			}
			if p.out != "" && forecast.Starts() {
				if err := fix(forecast, p.out); err != nil {
					return err
				}
			}
			if err := e.printForecast(forecast); err != nil || forecast.Starts() {
				return err
			}
			return forecast.Ends
		},
	}
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindBounds(cmd)
	f.bindDate(cmd)
	p.bind(cmd)
	e.bindFormat(cmd, &p.format)
	return cmd
}

// planFlags are those of plan alone.
type planFlags struct {
	preflight.PlanOptions
	format string
	out    string
}

// fix writes the plan of a forecast into a file.
func fix(f *preflight.Forecast, file string) error {
	if f.Contract == nil {
		return usagef("--out %s: there is no plan to write, as there is no input", file)
	}
	plan, err := f.Contract.PlanFile()
	if err != nil {
		return err
	}
	return plan.Write(file)
}

func (p *planFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.out, "out", "", "write the plan into `FILE`, for run --plan and finish --plan")
	flags.BoolVar(&p.Calibrate, "calibrate", false, "score a sample with the real workers: speed, time, memory, output size")
	flags.DurationVar(&p.Sample, "sample", 5*time.Second, "about how long --calibrate scores")
	flags.Float64Var(&p.PricePerHour, "price-per-hour", 0, "`PRICE` of the machine for an hour, to report with --calibrate what a run costs")
}

func (p *planFlags) check(cmd *cobra.Command) error {
	switch {
	case p.Sample <= 0 || p.Sample > time.Hour:
		return usagef("--sample is %v: it must be more than 0s and at most 1h", p.Sample)
	case p.PricePerHour < 0 || math.IsNaN(p.PricePerHour) || math.IsInf(p.PricePerHour, 0):
		return usagef("--price-per-hour is %v: it must be a price, such as 0.40", p.PricePerHour)
	case cmd.Flags().Changed("price-per-hour") && !p.Calibrate:
		return usagef("--price-per-hour needs --calibrate: nothing else measures how long a run takes")
	}
	return nil
}
