package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers"
)

// scoringVersion changes with what changes the bytes of scores on one machine, but is in no other setting.
const scoringVersion = 1

func (e *env) runCommand() *cobra.Command {
	f := &jobFlags{}
	var asJSON, trace bool
	cmd := &cobra.Command{
		Use:   "run [JOB.yaml]",
		Short: "Score graphs and write the scores",
		Long: "Run scores what the job names and is not scored yet. Flags win over the job\n" +
			"file; without one, --input, --output and --model or --server make the job.\n" +
			"A job whose paths have a {date} is run for one date: see --date. Where a gate of\n" +
			"the job fails, the parts stay, _SUCCESS is withheld, and the run ends with 4." + watchHelp,
		Example: "  graphscore run job.yaml\n" +
			"  graphscore run nightly.yaml --date 2026-01-31\n" +
			"  graphscore run --input graphs/ --model model/ --output scores/\n" +
			"  graphscore run --input 'graphs/**/*.arrow' --server scorer:9999 --output out/",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.observation("run").observed(cmd.Context(), func(ctx context.Context, o *observation) error {
				job, err := f.job(cmd, args)
				if err != nil {
					return err
				}
				o.job = job
				job, date, err := e.onDate(f, job)
				if err != nil {
					return err
				}
				limitMemory(job)
				r := &run{env: e, flags: f, seen: o, job: job, id: o.id, date: date, asJSON: asJSON, trace: trace, progress: &pipeline.Progress{}}
				o.tell, o.summarize = r.lastRun, r.printSummary
				if err := o.serve(ctx, r.progress.Read); err != nil {
					return err
				}
				return r.execute(ctx)
			})
		},
	}
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindDate(cmd)
	f.bindMetrics(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the run record on standard output, and nothing else there")
	cmd.Flags().BoolVar(&trace, "trace-stages", false, "tell how busy each stage was, and which one held up the others")
	return cmd
}

// run is one execution of a job.
type run struct {
	*env
	flags    *jobFlags
	job      *jobs.Job
	date     string // of a job with {date}, else empty
	asJSON   bool
	trace    bool // tell how busy each stage was
	progress *pipeline.Progress
	seen     *observation // nil where nobody watches
	// part is set for a run that is one date of a backfill, which speaks for it and lends it a session.
	part *backfill
	// before is closed when the date before this one of a backfill is done; nil for none.
	before <-chan struct{}

	id      string
	plan    *readers.Plan
	output  *writers.Output
	session *session
	rec     *writers.RunRecord // once it is written
	work    *writers.Reconciled
	todo    []int // shards of the plan that are scored now
	result  *pipeline.Result
	calls   int // at most under way

	previous string // output that the scores can be compared with, empty for none
	gates    []writers.GateRecord

	workerMemory int64 // peak of all local workers, in bytes
	throughput   throughput
}

// execute runs the job, writes its record, and tells what came out.
func (r *run) execute(ctx context.Context) error {
	if r.plan == nil { // a backfill has prepared it where it had to look at it first
		if err := r.prepare(ctx); err != nil {
			return err
		}
	}
	if r.plan.Empty() && r.date != "" {
		return r.withoutInput()
	}
	err := r.open(ctx)
	if err != nil {
		return err
	}
	err = r.underLock(ctx)
	return r.weightier(ctx, err, r.output.Close())
}

// prepare checks the job and finds what there is to read.
func (r *run) prepare(ctx context.Context) error {
	if err := r.job.Validate(); err != nil {
		return err
	}
	if err := separate(r.job); err != nil {
		return err
	}
	if r.id == "" {
		r.id = writers.NewRunID(r.start, rand.Reader)
		r.log = r.log.With("run", r.id)
	}
	var err error
	if r.plan, err = readers.NewPlan(ctx, readerConfig(r.job, r.flags.limit)); err != nil {
		return err
	}
	r.sayPlan(ctx)
	if r.plan.Empty() && r.flags.mustExist {
		return &missingError{fmt.Sprintf("nothing matches %s, and --require-input is set", inputText(r.job))}
	}
	if r.plan.Empty() && r.part == nil {
		fmt.Fprintf(r.stderr, "graphscore: nothing matches %s: no graph is scored\n", inputText(r.job))
	}
	return carriesWeights(r.job, r.plan)
}

// carriesWeights refuses edge weights where the protocol has no place for them: scores would be wrong.
func carriesWeights(job *jobs.Job, plan *readers.Plan) error {
	if job.Server.Protocol != remote.ProtocolGCN || !plan.HasWeights {
		return nil
	}
	return &jobs.Error{Path: cmp.Or(job.Path, "--protocol gcn"), Reason: "the input has edge weights, " +
		"which protocol gcn cannot carry: use protocol native, or an input without the column"}
}

// open takes the output, and with it the lock.
func (r *run) open(ctx context.Context) (err error) {
	r.output, err = writers.Open(ctx, writers.Config{
		Dir: r.job.Output.Path, RunID: r.id, Version: buildVersion(), Now: r.now, Log: r.log,
	})
	return err
}

// underLock does what changes the output. Whatever happens in it, a run record is written.
func (r *run) underLock(ctx context.Context) error {
	err := r.score(ctx)
	err = r.weightier(ctx, err, r.detach())
	if err == nil {
		err = r.outcome()
	}
	r.rec = r.record(err)
	err = r.weightier(ctx, err, r.output.WriteRecord(r.rec))
	if r.part != nil {
		return err
	}
	return r.weightier(ctx, err, r.summarize(r.rec))
}

// attach connects to what scores, or joins the session of the backfill.
func (r *run) attach(ctx context.Context) (err error) {
	if r.part != nil {
		r.session, err = r.part.join(ctx)
		return err
	}
	r.session, err = r.connect(ctx, r.job, r.flags.python, r.job.Workers)
	r.seen.connected(r.session)
	return err
}

// detach ends the session, unless it is that of a backfill.
func (r *run) detach() error {
	if r.session == nil {
		return nil
	}
	if r.session.pool != nil {
		r.workerMemory = r.session.pool.PeakMemory()
	}
	if r.part != nil {
		return nil
	}
	return r.session.Close()
}

// weightier is the one error that the command ends with: how the run ended, unless what came after it failed and
// the run itself did not. The other one is logged.
func (e *env) weightier(ctx context.Context, ended, after error) error {
	var outcome *outcomeError
	switch {
	case after == nil:
		return ended
	case ended == nil || errors.As(ended, &outcome):
		return after
	default:
		e.log.ErrorContext(ctx, "ending the run", "error", after)
		return ended
	}
}

// score does the work, from the connection to _SUCCESS.
func (r *run) score(ctx context.Context) error {
	if err := r.attach(ctx); err != nil {
		return err
	}
	if err := r.checkModel(ctx); err != nil {
		return err
	}
	if err := r.reconcile(ctx); err != nil {
		return err
	}
	if err := r.stream(ctx); err != nil {
		return err
	}
	if err := r.accounted(); err != nil {
		return err
	}
	whole := len(r.plan.Refused) == 0
	for _, s := range r.result.Shards {
		whole = whole && s.Outcome == pipeline.Scored
	}
	if err := r.tryGates(ctx); err != nil {
		return err
	}
	return r.output.Finish(ctx, r.work, whole && r.failedGates() == nil)
}

// checkModel compares the model with the data before the first request: where the first graphs of no file have
// the width that the model wants, the model is the wrong one. Where those of some files have not, they are bad
// graphs among others.
func (r *run) checkModel(ctx context.Context) error {
	model := r.session.model
	if model.InFeatures == 0 { // protocol gcn cannot tell: the first graph does
		width, err := r.plan.Width(ctx)
		model.InFeatures = width
		return err
	}
	var misfit error
	for i := range r.plan.Shards {
		sh := &r.plan.Shards[i]
		if i > 0 && sh.File == r.plan.Shards[i-1].File {
			continue
		}
		rejected, fits := r.firstGraphs(ctx, sh)
		if fits {
			return nil
		}
		if rejected != nil && misfit == nil {
			misfit = &jobs.Error{Path: cmp.Or(r.job.Path, "--model"), Reason: fmt.Sprintf(
				"the model %s does not fit the data: row %d of %s: %s; choose another model, or map input.columns.features (--column features=NAME)",
				model.Name, rejected.Row, sh.File.Path, rejected.Message)}
		}
	}
	return misfit
}

// firstGraphs looks whether one of the first graphs of a shard fits the model. If all that there are have another
// width, it gives the first; it gives neither where the shard does not tell.
func (r *run) firstGraphs(ctx context.Context, sh *readers.Shard) (misfit *graph.Rejection, fits bool) {
	source, err := r.plan.Open(ctx, sh, r.session.model.InFeatures)
	if err != nil {
		return nil, false // the run will say so, for this file alone
	}
	defer source.Close()
	b, err := source.Next(ctx)
	if err != nil {
		return nil, false
	}
	if b.Graphs() > 0 {
		return nil, true
	}
	for i := range b.Rejected { // graphs that are bad in other ways tell nothing
		if b.Rejected[i].Code == graph.FeatureWidth {
			return &b.Rejected[i], false
		}
	}
	return nil, false
}

func (r *run) reconcile(ctx context.Context) error {
	graphs, nodes := r.output.StandingKinds(plannedParts(r.plan))
	keepKinds(r.plan, graphs, nodes)
	err := r.output.Describe(writers.Contents{
		Settings: r.settings(), GraphIDs: r.plan.GraphIDs, NodeIDs: r.plan.NodeIDs,
		Outputs: r.session.model.Outputs, Rescore: r.job.OnChange == "rescore",
	})
	if err != nil {
		return err
	}
	if r.work, err = r.output.Reconcile(ctx, r.specs(), r.plan.Present()); err != nil {
		return err
	}
	for i, d := range r.work.Decisions {
		if d != writers.Skip {
			r.todo = append(r.todo, i)
		}
	}
	r.progress.Planned.Store(r.plan.Rows)
	r.progress.Skipped.Store(r.counts().Skipped)
	return nil
}

// keepKinds lets the parts that stand say which type the ids of a refused file had: or one bad file among many
// would change the columns of all others.
func keepKinds(plan *readers.Plan, graphs, nodes graph.IDKind) {
	if len(plan.Refused) > 0 {
		plan.Widen(graphs, nodes)
	}
}

// plannedParts are the names of the parts of a plan.
func plannedParts(plan *readers.Plan) []string {
	parts := make([]string, len(plan.Shards))
	for i := range plan.Shards {
		parts[i] = plan.Shards[i].Part
	}
	return parts
}

// stream scores the shards that are not done.
func (r *run) stream(ctx context.Context) error {
	if len(r.todo) > 0 || len(r.plan.Refused) > 0 {
		if err := r.output.Begin(); err != nil {
			return err
		}
	}
	cfg, patient := r.tuned()
	r.calls = cfg.Calls
	var total int64
	shards := make([]pipeline.Shard, len(r.todo))
	for k, i := range r.todo {
		shards[k] = r.shard(i)
		total += shards[k].Rows
	}
	return r.watched(ctx, total, func(ctx context.Context) error {
		return r.session.alive(ctx, func(ctx context.Context) (err error) {
			r.result, err = pipeline.Run(ctx, cfg, shards, patient)
			return err
		})
	})
}

// tuned is how the pipeline of the job is bounded, and the scorer with all its patience.
func (r *run) tuned() (pipeline.Config, pipeline.Scorer) {
	scorer := r.session.scorer()
	cfg := pipeline.Config{
		Outputs:       len(r.session.model.Outputs),
		ShardsAtOnce:  shardsAtOnce(runtime.GOMAXPROCS(0)),
		RequestBytes:  int64(r.job.Limits.RequestBytes),
		InFlightBytes: int64(r.job.Limits.InFlightBytes),
		MaxGraphBytes: scorer.Limit(), GraphBytes: scorer.GraphBytes,
		Calls:    3 * max(1, r.workers()),
		Progress: r.progress, Log: r.log, Begin: r.begin,
	}
	if r.job.Server.Protocol == "gcn" { // one graph a call: many calls hide the way there and back
		cfg.RequestGraphs, cfg.Calls = 1, 32*max(1, r.workers())
	}
	if r.part != nil { // dates at once share what one run may have
		n := r.part.parallel
		cfg.InFlightBytes, cfg.Calls = max(1, cfg.InFlightBytes/int64(n)), (cfg.Calls+n-1)/n
	}
	patient := pipeline.Isolate(pipeline.Retry(r.seen.tracing().Scorer(scorer), pipeline.RetryConfig{
		Budget: time.Duration(r.job.Limits.RetryBudget), Progress: r.progress, Log: r.log,
	}))
	return cfg, patient
}

// workers is the number of processes that score: behind one address there may be more, as the job says.
func (r *run) workers() int { return max(len(r.session.cfg.Addresses), r.job.Workers) }

// shard wires shard i of the plan.
func (r *run) shard(i int) pipeline.Shard {
	sh := &r.plan.Shards[i]
	return pipeline.Shard{
		Name: sh.Part, Rows: sh.Rows,
		Open: func(ctx context.Context) (pipeline.Source, error) {
			return r.plan.Open(ctx, sh, r.session.model.InFeatures)
		},
		Create: func(ctx context.Context) (pipeline.Sink, error) { return r.output.Create(ctx, r.spec(sh)) },
	}
}

// compare compares the plan with the parts that stand, and changes nothing in the output.
func (r *run) compare(ctx context.Context) (*writers.Survey, error) {
	graphs, nodes, err := writers.StandingKinds(r.job.Output.Path, plannedParts(r.plan))
	if err != nil {
		return nil, err
	}
	keepKinds(r.plan, graphs, nodes)
	settings := r.settings()
	return writers.Look(ctx, writers.Config{
		Dir: r.job.Output.Path, Settings: settings, GraphIDs: r.plan.GraphIDs, NodeIDs: r.plan.NodeIDs,
		Outputs: settings.Outputs, Rescore: r.job.OnChange == "rescore", Log: r.log,
	}, r.specs(), r.plan.Present())
}

func (r *run) specs() []writers.Spec {
	specs := make([]writers.Spec, len(r.plan.Shards))
	for i := range specs {
		specs[i] = r.spec(&r.plan.Shards[i])
	}
	return specs
}

func (r *run) spec(sh *readers.Shard) writers.Spec {
	return writers.Spec{
		Part: sh.Part, Input: sh.File.Rel, Fingerprint: sh.File.Fingerprint,
		FirstGroup: sh.FirstGroup, LastGroup: sh.LastGroup, Rows: sh.Rows, Model: r.session.model.Digest,
	}
}

func (r *run) settings() writers.Settings {
	return writers.Settings{
		Columns: r.job.Input.Columns.Map(), Layout: r.plan.Layout, Protocol: r.job.Server.Protocol, Limit: r.flags.limit,
		MessageBytes: r.session.messageBytes(), FeatureWidth: r.session.model.InFeatures,
		GraphID: r.plan.GraphIDs.String(), NodeID: r.plan.NodeIDs.String(),
		Outputs: r.session.model.Outputs, ScoringVersion: scoringVersion,
	}
}

// readerConfig translates the input of a job.
func readerConfig(job *jobs.Job, limit int64) readers.Config {
	cfg := readers.Config{
		Columns: job.Input.Columns.ColumnNames,
		Layout:  job.Input.Layout, Fingerprint: job.Input.Fingerprint, ShardBytes: int64(job.Input.ShardBytes), Limit: limit,
	}
	for _, p := range job.Input.Path {
		cfg.Inputs = append(cfg.Inputs, readers.Input{Name: p.Name, Path: p.Path, Optional: p.Dated})
	}
	return cfg
}

func inputText(job *jobs.Job) string {
	var paths []string
	for _, p := range job.Input.Path {
		paths = append(paths, p.Path)
	}
	return strings.Join(paths, ", ")
}

// anyDone says whether a part stands, of this run or of one before.
func (r *run) anyDone() bool {
	scored := r.result != nil &&
		slices.ContainsFunc(r.result.Shards, func(s pipeline.ShardResult) bool { return s.Outcome == pipeline.Scored })
	skipped := r.work != nil && slices.ContainsFunc(r.work.Ledgers, func(l *writers.Ledger) bool { return l != nil })
	return scored || skipped
}

// outcome is how a run ended that nothing stopped: nil, or the code for the gates or for what was not scored.
func (r *run) outcome() error {
	refused := r.refused()
	if n := len(refused); n > 0 && n == len(r.plan.Files)+len(r.plan.Refused) && !r.anyDone() {
		return &outcomeError{code: exitNoInput, message: "no input could be read", said: true}
	}
	if err := r.failedGates(); err != nil {
		return err
	}
	if n := len(refused); n > 0 {
		return &outcomeError{code: exitPartly, message: fmt.Sprintf("%d files were refused", n), said: true}
	}
	if n := r.quarantined(); n > 0 {
		return &outcomeError{code: exitPartly, message: fmt.Sprintf("%d graphs were quarantined", n), said: true}
	}
	return nil
}
