package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"graphscore/jobs"
	"graphscore/pipeline/display"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers"
)

func (d *doctor) checkJob(context.Context) finding {
	if d.jobErr == nil {
		d.jobErr = d.job.Validate()
	}
	if d.jobErr != nil {
		return fails(d.jobErr)
	}
	if d.date != "" {
		return passed("%s, for %s", cmp.Or(d.job.Path, "made of flags"), d.date)
	}
	return passed("%s", cmp.Or(d.job.Path, "made of flags"))
}

const noJob = "the job cannot be used"

func (d *doctor) checkPaths(context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	if err := separate(d.job); err != nil {
		return fails(err)
	}
	return passed("input and output lie apart")
}

func (d *doctor) checkInput(ctx context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	plan, err := readers.NewPlan(ctx, readerConfig(d.job, d.flags.limit))
	if err != nil {
		return fails(err)
	}
	if plan.Empty() && d.flags.mustExist {
		return fails(&missingError{fmt.Sprintf("nothing matches %s, and --require-input is set", inputText(d.job))})
	}
	if err := carriesWeights(d.job, plan); err != nil {
		return fails(err)
	}
	d.plan = plan
	files := len(plan.Files) + len(plan.Refused)
	switch n := len(plan.Refused); {
	case files == 0:
		return doubted("nothing matches %s: a run would have nothing to do", inputText(d.job))
	case n > 0:
		f := fails(d.expectedOf(plan))
		f.Text = fmt.Sprintf("%d of %s cannot be read: %s", n, display.Plural(int64(files), "file"), firstOf(plan.Refused))
		if f.when = scoring; exitCode(f.err) == exitPartly {
			f.when = ending
		}
		return f
	case len(plan.Ignored) > 0:
		return doubted("%s, %s; %s beside them is neither Parquet nor Arrow and is ignored", display.Plural(int64(files), "file"),
			display.Plural(plan.Rows, "graph"), display.Plural(int64(len(plan.Ignored)), "file"))
	}
	return passed("%s, %s", display.Plural(int64(files), "file"), display.Plural(plan.Rows, "graph"))
}

// expectedOf is how a run ends because of files that cannot be read.
func (d *doctor) expectedOf(plan *readers.Plan) error {
	alone := &dryRun{run: run{env: d.env, job: d.job, plan: plan}}
	return alone.expected()
}

// firstOf names the first few files that cannot be read.
func firstOf(refused []*readers.FileError) string {
	var text []string
	for i, f := range refused {
		if i == 3 {
			text = append(text, fmt.Sprintf("and %d more", len(refused)-i))
			break
		}
		text = append(text, f.Error())
	}
	return strings.Join(text, "; ")
}

func (d *doctor) checkOutput(context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	dir, there := nearest(d.job.Output.Path)
	if err := writableFolder(dir); err != nil {
		return fails(&writers.CreateError{Path: d.job.Output.Path, Err: err})
	}
	if !there {
		return passed("%s is not there yet, and can be created", d.job.Output.Path)
	}
	return passed("%s can be written to", d.job.Output.Path)
}

// nearest is the path or the nearest folder above it that is there.
func nearest(path string) (dir string, there bool) {
	dir = filepath.Clean(path)
	for there = true; ; there = false {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir, there
		}
		dir = filepath.Dir(dir)
	}
}

// writableFolder says why nothing can be created in a folder.
func writableFolder(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err == nil {
		err = mayCreateIn(dir)
	}
	return err
}

func (d *doctor) checkLock(context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	if err := writers.CheckFree(d.job.Output.Path); err != nil {
		return fails(err)
	}
	return passed("no run holds the output")
}

func (d *doctor) checkTLS(context.Context) finding {
	switch {
	case d.jobErr != nil:
		return unchecked(noJob)
	case d.job.Model.Path != "":
		return passed("not needed: local workers use a private socket")
	case d.job.Server.TLS == nil:
		return passed("off: requests go in plain text")
	}
	if _, err := tlsConfig(d.job); err != nil {
		return fails(err)
	}
	return passed("on, and its files can be read")
}

// checkScorer starts one worker, or asks every server.
func (d *doctor) checkScorer(ctx context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	absent := d.absentServers(ctx)
	s, err := d.connect(ctx, d.job, d.flags.python, 1)
	if err != nil {
		return fails(err)
	}
	d.session = s
	m := s.model
	what := cmp.Or(m.Name, "a model") + " " + m.Digest
	switch {
	case len(absent) > 0:
		return doubted("%d of %d servers do not answer (%s); the others serve %s", len(absent), len(d.job.Server.Addresses),
			strings.Join(absent, "; "), what)
	case s.pool != nil:
		return passed("a worker has started, with %s (%s)", what, m.Engine)
	}
	return passed("%s, serving %s", display.Plural(int64(len(s.cfg.Addresses)), "server"), what)
}

// askingEach bounds how long one of several servers is waited for.
const askingEach = 3 * time.Second

// absentServers says which of several servers do not answer. A run begins without them.
func (d *doctor) absentServers(ctx context.Context) []string {
	if len(d.job.Server.Addresses) < 2 {
		return nil
	}
	var absent []string
	for _, address := range d.job.Server.Addresses {
		alone := *d.job
		alone.Server.Addresses = []string{address}
		alone.Limits.RetryBudget = jobs.Duration(min(askingEach, time.Duration(alone.Limits.RetryBudget)))
		s, err := d.connect(ctx, &alone, d.flags.python, 1)
		if err != nil {
			absent = append(absent, err.Error())
			continue
		}
		if err := s.Close(); err != nil {
			absent = append(absent, err.Error())
		}
	}
	return absent
}

func (d *doctor) checkWidth(ctx context.Context) finding {
	if d.plan == nil || d.session.model == nil {
		return unchecked("there is no input or no model to look at")
	}
	if err := d.checkFirst(ctx); err != nil {
		return fails(err)
	}
	if err := d.knowWidth(ctx); err != nil {
		return fails(err)
	}
	if len(d.notes) > 0 {
		return doubted("%s", d.notes[0])
	}
	if len(d.plan.Shards) == 0 {
		return unchecked("there is no graph to look at")
	}
	return passed("nodes have %d features, as the model wants", d.session.model.InFeatures)
}

func (d *doctor) checkMessages(context.Context) finding {
	if d.session.model == nil {
		return unchecked("nothing scores")
	}
	mine, theirs := int64(d.job.Limits.MessageBytes), d.session.model.MaxMessageBytes
	if theirs > 0 && theirs < mine {
		return doubted("the job allows messages of %s, the server takes %s: larger graphs go to quarantine; raise --max-message-bytes of the server, or lower limits.message_bytes",
			humanize.IBytes(uint64(mine)), humanize.IBytes(uint64(theirs)))
	}
	if d.job.Server.Protocol == remote.ProtocolGCN {
		return passed("up to %s, as far as this side knows: protocol gcn does not tell the server's limit", humanize.IBytes(uint64(mine)))
	}
	return passed("up to %s on both sides", humanize.IBytes(uint64(mine)))
}

// checkParts compares the plan with the parts that stand.
func (d *doctor) checkParts(ctx context.Context) finding {
	if d.plan == nil || d.session.model == nil {
		return unchecked("there is no input or no model to compare parts with")
	}
	if err := d.look(ctx); err != nil {
		return fails(err)
	}
	if err := d.survey.Refusal(d.job.Output.Path); err != nil {
		return fails(err)
	}
	r := d.report(nil)
	text := fmt.Sprintf("%s to score, %d to redo, %d done before", display.Plural(int64(r.Score.Shards), "shard"), r.Redo.Shards, r.Skip.Shards)
	if r.Quarantined > 0 { // a run ends with that again, until the graphs are mended or gone
		f := doubted("%s; in quarantine: %s of parts that stand, so a run ends with %d", text, display.Plural(r.Quarantined, "graph"), exitPartly)
		f.err, f.when = &outcomeError{code: exitPartly, message: f.Text, said: true}, ending
		return f
	}
	return passed("%s", text)
}

// spaceError is a disk that has too little room for the output.
type spaceError struct {
	dir        string
	free, need uint64
}

func (e *spaceError) Error() string {
	return fmt.Sprintf("%s has %s free, and the scores take at least %s: free some space, or choose another output",
		e.dir, humanize.IBytes(e.free), humanize.IBytes(e.need))
}

func (d *doctor) checkSpace(context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	dir, _ := nearest(d.job.Output.Path)
	free, known := freeSpace(dir)
	if !known {
		return doubted("the free space of %s is not known", dir)
	}
	if d.survey == nil {
		return passed("%s free; how much is needed cannot be told", humanize.IBytes(free))
	}
	return weighSpace(dir, free, d.report(nil))
}

// weighSpace holds the free space against what the parts will take.
func weighSpace(dir string, free uint64, r *planReport) finding {
	need := r.OutputBytes
	switch {
	case need.Likely == 0 && r.Score.Graphs+r.Redo.Graphs > 0:
		return passed("%s free; the footers do not tell how much is needed", humanize.IBytes(free))
	case float64(free) < need.Low:
		f := fails(&spaceError{dir, free, uint64(need.Low)})
		f.when = scoring
		return f
	case float64(free) < need.High:
		return doubted("%s free in %s, and the scores take about %s, perhaps %s: free some space",
			humanize.IBytes(free), dir, display.Bytes(need.Likely), display.Bytes(need.High))
	}
	return passed("%s free, about %s needed", humanize.IBytes(free), display.Bytes(need.Likely))
}

// What graphscore and a worker take beside the requests, where no worker can be looked at.
const (
	ownMemory    = 100 << 20
	workerMemory = 120 << 20
)

func (d *doctor) checkMemory(context.Context) finding {
	if d.jobErr != nil {
		return unchecked(noJob)
	}
	limit, whose := memoryLimit()
	if limit == 0 {
		return doubted("the memory limit of this machine is not known")
	}
	need := ownMemory + 2*uint64(d.job.Limits.InFlightBytes) // encoded once more on its way
	if d.job.Model.Path != "" {
		each := uint64(workerMemory)
		if p := d.session.pool; p != nil {
			each = max(each, uint64(p.PeakMemory())) // what it takes before it scores
		}
		need += uint64(d.job.Workers) * each
	}
	return weighMemory(limit, need, whose)
}

func weighMemory(limit, need uint64, whose string) finding {
	if need > limit {
		return doubted("%s allows %s, and a run may take %s: lower limits.in_flight_bytes or workers, or the kernel may end it",
			whose, humanize.IBytes(limit), humanize.IBytes(need))
	}
	return passed("%s allows %s, a run may take %s", whose, humanize.IBytes(limit), humanize.IBytes(need))
}

// memoryLimit is what the cgroup allows, or what the machine has where that is less; 0 where neither is known.
func memoryLimit() (limit uint64, whose string) {
	limit, whose = math.MaxUint64, ""
	if n, err := memlimit.FromSystem(); err == nil && n > 0 {
		limit, whose = n, "the machine"
	}
	if n, err := memlimit.FromCgroup(); err == nil && n > 0 && n < limit {
		limit, whose = n, "the cgroup"
	}
	if whose == "" {
		return 0, ""
	}
	return limit, whose
}

func (d *doctor) checkClock(context.Context) finding {
	var newest time.Time
	if d.plan != nil {
		_, newest = newestInput(d.plan)
	}
	return weighClock(d.now(), newest)
}

// weighClock doubts a clock that is behind what it should have seen. Nothing but dates and names of records
// depends on it.
func weighClock(now, newest time.Time) finding {
	const layout = "2006-01-02 15:04:05 UTC"
	text := now.UTC().Format(layout)
	switch {
	case now.Year() < 2025:
		return doubted("it is %s by the clock: set it, or dates and names of run records will be wrong", text)
	case newest.After(now.Add(time.Minute)):
		return doubted("it is %s by the clock, but an input was written at %s: one of the two clocks is wrong", text, newest.UTC().Format(layout))
	}
	return passed("%s", text)
}
