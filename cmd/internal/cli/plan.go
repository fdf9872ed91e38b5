package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/local"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers"
)

func (e *env) planCommand() *cobra.Command {
	f, p := &jobFlags{}, &planFlags{}
	cmd := &cobra.Command{
		Use:   "plan [JOB.yaml]",
		Short: "Tell what a run would do and cost, and change nothing",
		Long: "Plan tells what a run would score, skip as done, redo and refuse, from the\n" +
			"footers of input and output and the first graphs. No worker is started, nothing\n" +
			"is written, and no output folder need be there. Of the gates it tells those that\n" +
			"the input alone decides. With --calibrate it scores a sample with the real\n" +
			"workers, writes nothing, and says what a run will take.\n" +
			"It exits with 0 where a run could start, else with the code of the run.",
		Example: "  graphscore plan job.yaml\n" +
			"  graphscore plan job.yaml --calibrate --price-per-hour 0.40\n" +
			"  graphscore plan --input graphs/ --model model/ --output scores/ --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			job, err := f.job(cmd, args)
			if err != nil {
				return err
			}
			job, date, err := e.onDate(f, job)
			if err != nil {
				return err
			}
			d := &dryRun{run: run{env: e, flags: f, job: job, date: date, progress: &pipeline.Progress{}}, planFlags: *p}
			return d.tell(cmd.Context())
		},
	}
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindDate(cmd)
	p.bind(cmd)
	return cmd
}

// planFlags are those of plan alone.
type planFlags struct {
	calibrate bool
	sample    time.Duration
	price     float64
	format    string
}

func (p *planFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&p.calibrate, "calibrate", false, "score a sample with the real workers: speed, time, memory, output size")
	flags.DurationVar(&p.sample, "sample", 5*time.Second, "about how long --calibrate scores")
	flags.Float64Var(&p.price, "price-per-hour", 0, "`PRICE` of the machine for an hour, to tell with --calibrate what a run costs")
	bindFormat(cmd, &p.format)
}

func bindFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "output as text or json")
}

func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return usagef("--format is %q: it must be text or json", format)
	}
	return nil
}

func (p *planFlags) check(cmd *cobra.Command) error {
	switch {
	case p.sample <= 0 || p.sample > time.Hour:
		return usagef("--sample is %v: it must be more than 0s and at most 1h", p.sample)
	case p.price < 0 || math.IsNaN(p.price) || math.IsInf(p.price, 0):
		return usagef("--price-per-hour is %v: it must be a price, such as 0.40", p.price)
	case cmd.Flags().Changed("price-per-hour") && !p.calibrate:
		return usagef("--price-per-hour needs --calibrate: nothing else tells how long a run takes")
	}
	return checkFormat(p.format)
}

// dryRun is a run that changes nothing.
type dryRun struct {
	run
	planFlags

	survey      *writers.Comparison
	samples     []sampled // of the shards that would be scored
	calibration *calibrationReport
	empty       int64 // the size of a part without rows
	notes       []string
}

// modelsLookedAt is the number of files whose first graphs plan holds against the model.
const modelsLookedAt = 16

// tell says what the run would do. Its error is the one that the run would end with before it begins.
func (d *dryRun) tell(ctx context.Context) (err error) {
	if err := d.foresee(ctx); err != nil {
		return errors.Join(err, d.session.Close())
	}
	defer func() { err = errors.Join(err, d.session.Close()) }()
	ends := d.checkFirst(ctx)
	if ends == nil {
		ends = d.survey.Refusal()
	}
	if ends == nil && d.calibrate {
		if err := d.measure(ctx); err != nil {
			return err
		}
	}
	if ends == nil {
		d.foreseeGates()
		ends = d.expected()
	}
	if err := d.report(ends).write(d.stdout, d.stderr, d.format); err != nil {
		return err
	}
	if code := exitCode(ends); code == exitPartly || code == exitCheckFailed { // such a run starts
		return nil
	}
	return ends
}

// foresee reads input, model and output as far as a run does before it scores. The session is never nil after it.
func (d *dryRun) foresee(ctx context.Context) (err error) {
	d.session = &session{}
	if err := d.job.Validate(); err != nil {
		return err
	}
	if err := separate(d.job); err != nil {
		return err
	}
	if d.plan, err = readers.NewPlan(ctx, readerConfig(d.job, d.flags.limit)); err != nil {
		return err
	}
	if d.plan.Empty() && d.flags.mustExist {
		return &missingError{fmt.Sprintf("nothing matches %s, and --require-input is set", inputText(d.job))}
	}
	if d.plan.Empty() {
		d.notes = append(d.notes, "nothing matches "+inputText(d.job))
	}
	if err := carriesWeights(d.job, d.plan); err != nil {
		return err
	}
	if err := d.foretell(ctx); err != nil {
		return err
	}
	if err := d.knowWidth(ctx); err != nil {
		return err
	}
	return d.look(ctx)
}

// foretell finds out what would score, without starting anything: a server is asked, a folder is read, and of a
// server of protocol gcn all that can be known stands in the job.
func (d *dryRun) foretell(ctx context.Context) (err error) {
	gcn := d.job.Server.Protocol == remote.ProtocolGCN
	d.session.cfg.MaxMessageBytes = int(d.job.Limits.MessageBytes)
	switch {
	case d.job.Model.Path != "":
		m, err := local.ReadModel(d.job.Model.Path)
		if err != nil {
			return err
		}
		d.session.model = &remote.Model{Name: m.Name, Digest: m.Digest, InFeatures: m.InFeatures, Outputs: m.Outputs}
		if gcn { // as session.describe has it
			d.session.model.Digest, d.session.model.InFeatures = cmp.Or(d.job.Model.Version, m.Digest), 0
			d.session.model.Outputs = []string{"score"}
		}
		if gcn && len(m.Outputs) != 1 {
			return manyOutputs(m.Name, len(m.Outputs))
		}
	case gcn:
		d.session.model = &remote.Model{Digest: d.job.Model.Version, Outputs: []string{"score"}}
	default:
		if d.session, err = d.connect(ctx, d.job, d.flags.python, d.job.Workers); err != nil {
			d.session = &session{}
		}
	}
	return err
}

// knowWidth asks the first graph for the number of features where the model cannot tell.
func (d *dryRun) knowWidth(ctx context.Context) error {
	if d.session.model.InFeatures > 0 {
		return nil
	}
	width, err := d.plan.Width(ctx)
	var unreadable *readers.FileError
	if err != nil && !errors.As(err, &unreadable) {
		return err
	}
	d.session.model.InFeatures = width
	return nil
}

// look compares the plan with the parts that stand.
func (d *dryRun) look(ctx context.Context) (err error) {
	if d.survey, err = d.compare(ctx); err != nil {
		return err
	}
	specs := d.specs()
	d.work = &d.survey.Reconciled
	refused := map[string]bool{}
	for _, m := range d.survey.Mismatches {
		refused[m.Part] = true
	}
	for i, decision := range d.work.Decisions {
		if decision == writers.Skip || refused[specs[i].Part] {
			continue
		}
		d.todo = append(d.todo, i)
		sh := &d.plan.Shards[i]
		d.samples = append(d.samples, samplesOf(sh, groupsOf(sh, d.session.model, d.plan))...)
	}
	return nil
}

// checkFirst holds the first graphs of some files against the model, as a run does with all files until one fits.
func (d *dryRun) checkFirst(ctx context.Context) error {
	some, files := *d.plan, 0
	for i := range some.Shards {
		if i == 0 || some.Shards[i].File != some.Shards[i-1].File {
			files++
		}
		if files > modelsLookedAt {
			some.Shards = some.Shards[:i]
			break
		}
	}
	looked := &run{env: d.env, job: d.job, plan: &some, session: d.session}
	err := looked.checkModel(ctx)
	var misfit *jobs.Error
	if errors.As(err, &misfit) && len(some.Shards) < len(d.plan.Shards) {
		d.notes = append(d.notes, fmt.Sprintf("the first graphs of %d files do not fit the model; the others were not looked at: %s",
			modelsLookedAt, misfit.Reason))
		return nil
	}
	return err
}

// expected is how a run would end that nothing stops, as far as footers tell.
func (d *dryRun) expected() error {
	d.result = &pipeline.Result{}
	return d.outcome()
}

// measure scores samples of what is to do.
func (d *dryRun) measure(ctx context.Context) (err error) {
	if len(d.samples) == 0 {
		d.notes = append(d.notes, "nothing is to be scored, so nothing was sampled")
		return nil
	}
	if d.session.conn == nil {
		width := d.session.model.InFeatures
		if d.session, err = d.connect(ctx, d.job, d.flags.python, d.job.Workers); err != nil {
			d.session = &session{}
			return err
		}
		d.session.model.InFeatures = cmp.Or(d.session.model.InFeatures, width)
	}
	d.calibration, err = d.calibrated(ctx)
	return err
}

// groupsOf gives what the footers tell of the row groups of a shard, in the sizes of requests.
func groupsOf(sh *readers.Shard, m *remote.Model, plan *readers.Plan) []estimate.Group {
	weight := int64(4)
	if plan.HasWeights {
		weight = 8
	}
	width := int64(m.InFeatures)
	groups := sh.Groups()
	out := make([]estimate.Group, len(groups))
	for i, g := range groups {
		e := estimate.Group{Rows: g.Rows, Nodes: -1, Edges: g.Edges, Bytes: g.Bytes}
		if g.Features >= 0 && g.Edges >= 0 && width > 0 {
			e.Nodes, e.Counted = g.Features/width, g.Counted
			request := 4*g.Rows + e.Nodes*(4+4*width) + e.Edges*weight
			e.Bytes = max(request, 4*e.Nodes*int64(len(m.Outputs)))
		}
		out[i] = e
	}
	return out
}

// sampled is a run of row groups of a shard that may be scored for a try.
type sampled struct {
	estimate.Group
	shard       *readers.Shard
	first, last int
}

// sampleBytes is what row groups are put together to, where they are smaller: opening a file must not be what a
// sample measures, unless files are small.
const sampleBytes = 1 << 20

// samplesOf cuts a shard into what may be scored for a try.
func samplesOf(sh *readers.Shard, groups []estimate.Group) []sampled {
	var out []sampled
	for i, g := range groups {
		if n := len(out); n > 0 && out[n-1].Bytes < sampleBytes {
			out[n-1].last++
			out[n-1].Group = estimate.Total([]estimate.Group{out[n-1].Group, g})
			continue
		}
		at := sh.FirstGroup + i
		out = append(out, sampled{Group: g, shard: sh, first: at, last: at})
	}
	return out
}
