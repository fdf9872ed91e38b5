package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline/graph"
)

// jobFlags are the flags that say what to do, as a job file does. Flags win.
type jobFlags struct {
	inputs    []string
	output    string
	embed     string
	model     string
	servers   []string
	protocol  string
	version   string
	workers   int
	python    string
	columns   map[string]string
	shard     string
	message   string
	limit     int64
	rescore   bool
	prune     bool
	retry     bool
	most      string // --max-quarantined
	within    string // --run-deadline
	mustExist bool
	date      string
	beside    bool // --side-by-side
	metrics   jobs.Metrics

	elsewhere string // the flag that makes another input or output of that of the job file, "" for none
	ownOutput bool   // --output says what the job file leaves open: each is a job of its own
}

func (f *jobFlags) bindInput(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.inputs, "input", nil, "`PATH` of a file, a folder or a ** glob; NAME=PATH where there are several")
	f.bindReading(cmd)
}

func (f *jobFlags) bindReading(cmd *cobra.Command) {
	flags := cmd.Flags()
	keys := graph.InputColumnKeys()
	last := len(keys) - 1
	flags.StringToStringVar(&f.columns, "column", nil, fmt.Sprintf("`KEY=NAME` of an input column, as columns in a job; the keys are %s and %s", strings.Join(keys[:last], ", "), keys[last]))
	flags.StringVar(&f.shard, "shard-bytes", "", "about how much input makes a shard (default 256MiB)")
	flags.Int64Var(&f.limit, "limit", 0, "take the first `N` graphs only, to try a job")
	flags.BoolVar(&f.mustExist, "require-input", false, "exit with 66 where nothing matches, as by default, though the job has input.optional; in a backfill, for each such date")
}

func (f *jobFlags) bindOutput(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.output, "output", "", "`DIR` for the scores")
	cmd.Flags().StringVar(&f.embed, "embed", "", "`STEP` of the model whose values are written beside the scores, as a column embedding")
	cmd.Flags().BoolVar(&f.rescore, "rescore", false, "redo parts of another input, model or setting instead of refusing them")
	cmd.Flags().BoolVar(&f.prune, "prune", false, "remove parts whose input is gone or was renamed, once all others exist")
}

// bindBounds binds what ends a run early, and what makes parts again that match.
func (f *jobFlags) bindBounds(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.retry, "retry-quarantined", false, "make the parts again, whole, of which graphs are in quarantine")
	flags.StringVar(&f.most, "max-quarantined", "", "end early, with 4, once more than `N` graphs, or a share such as 0.1%, are in quarantine")
	flags.StringVar(&f.within, "run-deadline", "", "end after `TIME`, such as 6h, with 75; what is committed stays")
}

// applyBounds puts the flags over the limits of the job.
func (f *jobFlags) applyBounds(l *jobs.Limits) error {
	if f.most != "" {
		most, err := jobs.ParseAllowance(f.most)
		if err != nil {
			return usagef("--max-quarantined: %v", err)
		}
		l.MaxQuarantined = &most
	}
	if f.within != "" {
		d, err := time.ParseDuration(f.within)
		if err != nil || d <= 0 {
			return usagef("--run-deadline is %q: it must be a time span, such as 90m or 6h", f.within)
		}
		l.RunDeadline = jobs.Duration(d)
	}
	return nil
}

func (f *jobFlags) bindDate(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.date, "date", "", "`DATE` for a job with {date}, as 2026-01-31, 2026-01-31T23 or 2026-01 (default: the last one that is over in the job's timezone, such as yesterday)")
}

func (f *jobFlags) bindMetrics(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.metrics.Listen, "metrics", "", "serve /metrics and /debug/pprof/ at `ADDR`, as 127.0.0.1:9464, while it runs; on the loopback only")
	flags.StringVar(&f.metrics.Textfile, "metrics-textfile", "", "write metrics of the run into `DIR` for node_exporter's textfile collector, or into a file that ends in .prom")
	flags.StringVar(&f.metrics.Pushgateway, "pushgateway", "", "push metrics of the run to the Pushgateway at `URL`; user and password come from GRAPHSCORE_PUSHGATEWAY_USER and _PASSWORD or _PASSWORD_FILE")
}

// applyMetrics puts the flags over those of the job.
func (f *jobFlags) applyMetrics(m *jobs.Metrics) error {
	if url := f.metrics.Pushgateway; url != "" {
		if err := jobs.CheckPushgateway(url); err != nil {
			return usagef("--pushgateway %v", err)
		}
	}
	if address := f.metrics.Listen; address != "" {
		if err := jobs.CheckListen(address); err != nil {
			return usagef("--metrics %v", err)
		}
	}
	override(&m.Textfile, f.metrics.Textfile)
	override(&m.Listen, f.metrics.Listen)
	override(&m.Pushgateway, f.metrics.Pushgateway)
	return nil
}

// bindScorer binds what scores, and what scores it with.
func (f *jobFlags) bindScorer(cmd *cobra.Command) {
	f.bindModel(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.workers, "workers", 0, "number of local workers (default: what the CPUs leave busy), or of processes behind --server (default: one an address)")
	flags.StringVar(&f.python, "python", "", "interpreter of the local workers")
}

// bindModel binds what scores.
func (f *jobFlags) bindModel(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.model, "model", "", "model `DIR`, scored by workers on this machine")
	flags.StringSliceVar(&f.servers, "server", nil, "`ADDR[,ADDR]` of running servers, host:port or unix:/path")
	flags.StringVar(&f.protocol, "protocol", "", "protocol of the servers: native or gcn (default native)")
	flags.StringVar(&f.version, "model-version", "", "model version to record in part footers (protocol gcn reports none)")
	flags.StringVar(&f.message, "message-bytes", "", "largest message in either direction (default 64MiB)")
}

// job loads the job file, if one is named, and puts the flags over it. It has defaults and is not validated.
func (f *jobFlags) job(cmd *cobra.Command, args []string) (*jobs.Job, error) {
	job := &jobs.Job{}
	if err := expanded(cmd, f.inputs, args); err != nil {
		return nil, err
	}
	if len(args) > 1 {
		return nil, usagef("%s takes one job file, not %d arguments: see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())
	}
	if len(args) == 1 {
		var err error
		if job, err = jobs.Load(args[0]); err != nil {
			return nil, err
		}
	}
	own := *job
	if err := f.apply(job); err != nil {
		return nil, err
	}
	f.elsewhere, f.ownOutput = leaves(&own, job), own.Output.Path == "" && f.output != ""
	full := job.WithDefaults()
	if full.Workers == 0 && len(full.Server.Addresses) == 0 {
		full.Workers = run.DefaultWorkers(os.Getenv)
	}
	return &full, nil
}

// leaves is the flag that makes another input or output of that of a job file. A job of flags has no other.
func leaves(own, job *jobs.Job) string {
	same := func(a, b string) bool {
		a, errA := filepath.Abs(a)
		b, errB := filepath.Abs(b)
		return errA == nil && errB == nil && a == b
	}
	switch {
	case own.Path == "":
		return ""
	case own.Output.Path != "" && !same(own.Output.Path, job.Output.Path):
		return "--output"
	case len(own.Input.Path) > 0 && !slices.EqualFunc(own.Input.Path, job.Input.Path, func(a, b jobs.Path) bool {
		return a.Name == b.Name && same(a.Path, b.Path)
	}):
		return "--input"
	}
	return ""
}

func (f *jobFlags) apply(job *jobs.Job) error {
	if len(f.inputs) > 0 {
		job.Input.Path = nil
	}
	for _, path := range f.inputs {
		root := jobs.Path{Path: path}
		if name, rest, named := strings.Cut(path, "="); named && len(f.inputs) > 1 && !strings.ContainsRune(name, '/') {
			root = jobs.Path{Name: name, Path: rest}
		}
		if root.Path == "" {
			return usagef("--input %q names no path", path)
		}
		job.Input.Path = append(job.Input.Path, root)
	}
	if f.model != "" && len(f.servers) > 0 {
		return usagef("--model and --server exclude each other: a server brings its own model")
	}
	if f.python != "" && len(f.servers) > 0 {
		return usagef("--python is for local workers, and --server names others: drop one")
	}
	if f.model != "" { // over a job that names servers, and the reverse
		job.Model, job.Server = jobs.Model{Path: f.model}, jobs.Server{}
	}
	if len(f.servers) > 0 {
		job.Model.Path, job.Server.Addresses = "", f.servers
	}
	override(&job.Output.Path, f.output)
	override(&job.Output.Embed, f.embed)
	if (len(f.inputs) > 0 || f.output != "") && !job.Partitioned() {
		job.Partition, job.Timezone = "", "" // the flags took the {date} out
	}
	override(&job.Server.Protocol, f.protocol)
	override(&job.Model.Version, f.version)
	override(&job.Workers, f.workers)
	if f.rescore {
		job.OnChange = "rescore"
	}
	if f.prune {
		job.OnOrphan = jobs.OrphanPrune
	}
	if f.limit < 0 {
		return usagef("--limit is %d: it must be at least 1", f.limit)
	}
	if f.workers < 0 {
		return usagef("--workers is %d: it must be at least 1", f.workers)
	}
	if err := f.applyColumns(&job.Input.Columns); err != nil {
		return err
	}
	if err := f.applyMetrics(&job.Metrics); err != nil {
		return err
	}
	if err := f.applyBounds(&job.Limits); err != nil {
		return err
	}
	if err := size(&job.Input.ShardBytes, "--shard-bytes", f.shard); err != nil {
		return err
	}
	return size(&job.Limits.MessageBytes, "--message-bytes", f.message)
}

func (f *jobFlags) applyColumns(c *jobs.Columns) error {
	for key, name := range f.columns {
		if name == "" {
			return usagef("--column %s= names no column: write %s=none for an optional column that is not to be read", key, key)
		}
		if !c.Set(key, name) {
			return usagef("--column %s=%s: the keys are %s", key, name, strings.Join(graph.InputColumnKeys(), ", "))
		}
	}
	return nil
}

func override[T comparable](field *T, value T) {
	var zero T
	if value != zero {
		*field = value
	}
}

func size(field *jobs.Size, flag, value string) error {
	if value == "" {
		return nil
	}
	n, err := jobs.ParseSize(value)
	if err != nil {
		return usagef("%s: %v", flag, err)
	}
	*field = n
	return nil
}

// dated is the job of a command, of its date, and the world in which it runs: without a job beside an error.
func (e *env) dated(f *jobFlags, cmd *cobra.Command, args []string) (run.Config, error) {
	job, err := f.job(cmd, args)
	if err != nil {
		return e.config(f, nil, ""), err
	}
	job, date, err := e.onDate(f, job)
	if err != nil {
		return e.config(f, nil, ""), err
	}
	return e.config(f, job, date), nil
}

func (e *env) config(f *jobFlags, job *jobs.Job, date string) run.Config {
	return run.Config{
		Job: job, Date: date, SideBySide: f.beside, Limit: f.limit, RequireInput: f.mustExist, RetryQuarantined: f.retry, Python: f.python,
		Start: e.start, Now: e.now, Log: e.log,
	}
}

// onDate is the job of one date, that of --date or the last one that is over, and the name of the date. A job
// without {date} stays as it is and has none.
func (e *env) onDate(f *jobFlags, job *jobs.Job) (*jobs.Job, string, error) {
	calendar, err := job.Calendar()
	if err != nil {
		return nil, "", err
	}
	switch {
	case !job.Partitioned() && f.date != "":
		return nil, "", usagef("--date is given, but neither input.path nor output.path of the job has a {date}")
	case f.beside && !job.OutputDated():
		return nil, "", usagef("--side-by-side is given, but output.path of the job has no {date}: its output has one run at a time")
	case !job.Partitioned():
		return job, "", nil
	}
	date := calendar.Previous(e.now())
	if f.date != "" {
		if date, err = calendar.Parse(f.date, e.now()); err != nil {
			return nil, "", usagef("--date: %v", err)
		}
		if !calendar.Exists(date) {
			return nil, "", usagef("--date: %s does not exist in %s (skipped by a clock change)", date, calendar.Location)
		}
	}
	if folders := job.NoDatesBefore(calendar, date); len(folders) > 0 {
		e.log.Warn("left out: no dates of the job's timezone, whose clocks skip them", "timezone", calendar.Location.String(), "folders", folders)
	}
	dated := job.On(date)
	return &dated, date.String(), nil
}
