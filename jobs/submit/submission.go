package submit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers/record"
)

// Work is the output that shards fill, as a submission sees it.
type Work interface {
	// Lacking returns the shards of which a part does not exist, in ascending order, by the footers of the parts.
	Lacking(ctx context.Context) ([]int, error)
	// ExitCode returns that of the last record of a shard, ok where one was written since the submission began.
	ExitCode(shard int) (code int, ok bool)
	// Graphs returns how many graphs the parts that exist have, and how many all will have, by their names alone.
	Graphs() (done, all int64)
	// Save writes the record of the submission.
	Save(*record.Submission) error
	// WriteScript writes a script durably below the submission's folder and returns its path.
	WriteScript(name string, content []byte) (path string, err error)
}

// Submission hands shards to an engine and follows them.
type Submission struct {
	Engine  Engine
	Work    Work
	Command Command
	// Rounds is how many times shards are submitted again.
	Rounds int
	// Every is how long it waits between two looks, Pause before the first round that submits again; each later round waits
	// twice as long.
	Every, Pause time.Duration
	// Lock is held by who submits; what hands an array over inherits it. It may be nil.
	Lock *os.File
	// Record is that of the submission, of one that died where this continues it.
	Record *record.Submission
	// Seen is called after each look, and Looked with the shards that wait or run. They may be nil.
	Seen   func(Progress)
	Looked func(ctx context.Context, atWork map[int]bool)
	// NoRoom is called once for an array that the engine refuses while another one of its round is at work: it is handed over
	// again when tasks have ended. It may be nil.
	NoRoom func(ctx context.Context, refused error)

	first  time.Time // of the first look
	before int64     // how many graphs were done then
}

// Progress is how far a submission is.
type Progress struct {
	// Shards are all of the job; Done those that have their parts, by what the engine said last.
	Shards, Done, Running, Waiting, Failed int
	// Graphs are done, of OfGraphs.
	Graphs, OfGraphs int64
	// Rate is how many graphs a second became done since the first look.
	Rate float64
}

// Execute submits what lacks parts until nothing does, nothing may pass any more or the rounds are over. The record has
// the shards that were given up. Errors are those of the engine and of the output, and the end of ctx: the arrays go on
// then, and the same command continues.
func (s *Submission) Execute(ctx context.Context) error {
	given := map[int]record.FailedShard{}
	for _, f := range s.Record.Failed {
		given[max(slices.Index(s.Command.Dates, f.Date), 0)*s.Command.Count+f.Shard] = f
	}
	if err := s.resume(ctx, given); err != nil {
		return err
	}
	for {
		lacking, err := s.Work.Lacking(ctx)
		if err != nil {
			return err
		}
		again := slices.DeleteFunc(lacking, func(shard int) bool { _, gone := given[shard]; return gone })
		if len(again) == 0 || s.over() {
			return nil
		}
		if n := len(s.Record.Rounds); n > 0 {
			if err := s.wait(ctx, min(s.Pause<<min(n-1, doublings), longestPause)); err != nil { // what is of the moment passes
				return err
			}
		}
		if err := s.begin(ctx, again, given); err != nil {
			return err
		}
	}
}

// lockedRounds is how many rounds may find the output held by something else: with the pauses between them about two hours.
const lockedRounds = 30

// over reports whether no round is left. Those that found the output held do not count, up to a bound.
func (s *Submission) over() bool {
	locked := 0
	for _, r := range s.Record.Rounds {
		if r.Locked {
			locked++
		}
	}
	return len(s.Record.Rounds)-locked > s.Rounds || locked >= lockedRounds
}

// resume follows the last round of a submission that died.
func (s *Submission) resume(ctx context.Context, given map[int]record.FailedShard) error {
	if len(s.Record.Rounds) == 0 {
		return nil
	}
	return s.work(ctx, given)
}

// The pause before a round doubles so many times, up to the longest.
const (
	doublings    = 6
	longestPause = 5 * time.Minute
)

// arrays are those of the next round for the shards, without scripts.
func (s *Submission) arrays(ctx context.Context, shards []int) ([]record.Array, error) {
	limit, err := s.Engine.Limit(ctx)
	if err != nil {
		return nil, err
	}
	number := len(s.Record.Rounds) + 1
	var arrays []record.Array
	for i, b := range blocks(shards, limit) {
		name := fmt.Sprintf("graphscore-%s-%d-%d", s.Record.SubmitID, number, i+1)
		arrays = append(arrays, record.Array{Name: name, Offset: b.offset, Indices: b.indices})
	}
	return arrays, nil
}

// begin hands the shards over as a round, and follows it.
func (s *Submission) begin(ctx context.Context, shards []int, given map[int]record.FailedShard) error {
	arrays, err := s.arrays(ctx, shards)
	if err != nil {
		return err
	}
	s.Record.Rounds = append(s.Record.Rounds, record.Round{Arrays: arrays})
	if err := s.Work.Save(s.Record); err != nil {
		return err
	}
	return s.work(ctx, given)
}

// work hands the last round over and follows it. What ends while it is handed over is kept: an engine forgets it soon.
func (s *Submission) work(ctx context.Context, given map[int]record.FailedShard) error {
	ended := map[int]Task{}
	if err := s.hand(ctx, ended, given); err != nil {
		return err
	}
	return s.follow(ctx, ended, given)
}

// last is the round that was begun last.
func (s *Submission) last() *record.Round { return &s.Record.Rounds[len(s.Record.Rounds)-1] }

// hand submits the arrays of the last round that the engine does not have. One whose answer was lost is found by its
// name: nothing is submitted twice. A script is written with the options of now. An engine that does not answer is asked
// again for a while.
func (s *Submission) hand(ctx context.Context, ended map[int]Task, given map[int]record.FailedShard) error {
	for i := range s.last().Arrays {
		if err := s.handUntil(ctx, &s.last().Arrays[i], ended, given); err != nil {
			return err
		}
	}
	return nil
}

// handUntil submits an array, however often that takes. One that the engine refuses has the options of the others of its
// round: while one of those is at work, what lacks is room. It is handed over once more when none is: the last one may have
// ended after the answer.
func (s *Submission) handUntil(ctx context.Context, a *record.Array, ended map[int]Task, given map[int]record.FailedShard) error {
	said, alone := false, false
	for failed := 0; a.ID == ""; {
		err := s.handOne(ctx, a)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return err
		case MayPass(endsWith(err)) && failed < failedLooks:
			failed++
		case !MayPass(endsWith(err)) && refused(err) && !alone && s.handedAny():
			over, lookErr := s.look(ctx, ended, given)
			switch {
			case lookErr == nil:
				failed, alone = 0, over
			case ctx.Err() != nil || failed == failedLooks:
				return lookErr
			default:
				failed++
			}
			if lookErr == nil && !over && !said {
				said = true
				s.sayNoRoom(ctx, err)
			}
		default:
			return err
		}
		if err := s.wait(ctx, s.Every); err != nil {
			return err
		}
	}
	return nil
}

func (s *Submission) sayNoRoom(ctx context.Context, refused error) {
	if s.NoRoom != nil {
		s.NoRoom(ctx, refused)
	}
}

// refused reports whether an error is the answer of an engine that was asked to take an array.
func refused(err error) bool {
	var failed *CommandError
	return errors.As(err, &failed) && !failed.Missing && !failed.Silent
}

// handedAny reports whether the engine has an array of the last round.
func (s *Submission) handedAny() bool {
	return slices.ContainsFunc(s.last().Arrays, func(a record.Array) bool { return a.ID != "" })
}

// endsWith is the exit code of an error of an engine.
func endsWith(err error) int {
	var failed *CommandError
	if errors.As(err, &failed) && !failed.Missing {
		return failed.EndsWith()
	}
	return exit.Config
}

// handOne submits an array. Once sbatch has begun it is waited for, also when ctx ends: its answer is the id. Where this process
// dies meanwhile, sbatch holds the lock until its array has a name that can be found.
func (s *Submission) handOne(ctx context.Context, a *record.Array) error {
	id, err := s.Engine.Find(ctx, a.Name)
	if err == nil && id == "" {
		if a.Script, err = s.Work.WriteScript(a.Name+".sh", s.Engine.Script(s.Command, *a)); err == nil {
			id, err = s.Engine.Submit(context.WithoutCancel(ctx), a.Script, s.Lock)
		}
	}
	if err != nil {
		return err
	}
	a.ID = id
	return s.Work.Save(s.Record)
}

// wait waits, or returns the end of ctx.
func (s *Submission) wait(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// find returns the ids of the arrays of the last round, those of which the answer was lost included.
func (s *Submission) find(ctx context.Context) (ids []string, err error) {
	if len(s.Record.Rounds) == 0 {
		return nil, nil
	}
	for i := range s.last().Arrays {
		a := &s.last().Arrays[i]
		if a.ID == "" {
			if a.ID, err = s.Engine.Find(ctx, a.Name); err != nil {
				return nil, err
			}
		}
		if a.ID != "" {
			ids = append(ids, a.ID)
		}
	}
	return ids, nil
}

// ask finds the arrays of the last round and asks the engine for their tasks. It has none before there is a round.
func (s *Submission) ask(ctx context.Context) (ids []string, tasks []Task, err error) {
	if ids, err = s.find(ctx); err == nil && len(ids) > 0 {
		tasks, err = s.Engine.Tasks(ctx, ids)
	}
	return ids, tasks, err
}

// failedLooks is how many looks in a row may fail before a submission ends: the tasks go on without it.
const failedLooks = 10

// follow waits until no task of the last round waits or runs, and leaves out the shards that failed for good. ended has the
// tasks of which the end was seen before.
func (s *Submission) follow(ctx context.Context, ended map[int]Task, given map[int]record.FailedShard) error {
	for failed := 0; ; {
		over, err := s.look(ctx, ended, given)
		switch {
		case err == nil:
			failed = 0
		case ctx.Err() != nil || failed == failedLooks:
			return err
		default: // a controller that is started anew does not answer for a while
			failed++
		}
		if over {
			break
		}
		if err := s.wait(ctx, s.Every); err != nil {
			return err
		}
	}
	return s.judge(ctx, ended, given)
}

// look asks the engine about the last round, keeps in ended what has ended, by shard, and reports whether all has that was
// handed over. What was not waits.
func (s *Submission) look(ctx context.Context, ended map[int]Task, given map[int]record.FailedShard) (over bool, err error) {
	var ids []string
	p := Progress{Shards: s.Command.tasks(), Failed: len(given)}
	offset, atWork := map[string]int{}, map[int]bool{}
	for _, a := range s.last().Arrays {
		if a.ID != "" {
			ids = append(ids, a.ID)
			offset[a.ID] = a.Offset
			continue
		}
		p.Waiting += len(a.Indices)
		for _, i := range a.Indices {
			atWork[a.Offset+i] = true
		}
	}
	ahead := p.Waiting
	tasks, err := s.Engine.Tasks(ctx, ids)
	if err != nil {
		return false, err
	}
	for _, t := range tasks {
		first, ours := offset[t.ArrayID]
		switch {
		case !ours:
		case t.State == Waiting:
			p.Waiting++
			atWork[t.Index+first] = true
			delete(ended, t.Index+first) // it was put back
		case t.State == Running:
			p.Running++
			atWork[t.Index+first] = true
			delete(ended, t.Index+first)
		default:
			ended[t.Index+first] = t
			if _, counted := given[t.Index+first]; t.Code != exit.Done && !counted {
				p.Failed++
			}
		}
	}
	p.Done = p.Shards - p.Failed - p.Running - p.Waiting
	p.Graphs, p.OfGraphs = s.Work.Graphs()
	if s.first.IsZero() {
		s.first, s.before = time.Now(), p.Graphs
	} else {
		p.Rate = float64(p.Graphs-s.before) / max(time.Since(s.first).Seconds(), 1e-3)
	}
	if s.Seen != nil {
		s.Seen(p)
	}
	if s.Looked != nil {
		s.Looked(ctx, atWork)
	}
	return p.Waiting+p.Running == ahead, nil
}

// judge gives up those shards of the last round that lack parts for a reason that does not pass.
func (s *Submission) judge(ctx context.Context, ended map[int]Task, given map[int]record.FailedShard) error {
	lacking, err := s.Work.Lacking(ctx)
	if err != nil {
		return err
	}
	codes := map[int]int{} // of those that were not given up
	s.last().Locked = true
	for _, shard := range lacking {
		if _, gone := given[shard]; !gone {
			codes[shard] = s.codeOf(shard, ended)
			s.last().Locked = s.last().Locked && codes[shard] == exit.Locked
		}
	}
	s.last().Locked = s.last().Locked && len(codes) > 0
	last := s.over()
	for shard, code := range codes {
		if !MayPass(code) || ended[shard].State == Canceled || last {
			given[shard] = s.failed(shard, code, ended[shard])
		}
	}
	s.Record.Failed = nil
	for _, shard := range slices.Sorted(maps.Keys(given)) {
		s.Record.Failed = append(s.Record.Failed, given[shard])
	}
	return s.Work.Save(s.Record)
}

// codeOf is how the task of a shard that lacks parts ended: by the engine, else by its record.
func (s *Submission) codeOf(shard int, ended map[int]Task) int {
	task, known := ended[shard]
	if known && task.Code != exit.Done {
		return task.Code
	}
	if code, recorded := s.Work.ExitCode(shard); recorded && code != exit.Done {
		return code
	}
	return LostNode
}

// failed says how a shard ended and where its log is.
func (s *Submission) failed(shard, code int, task Task) record.FailedShard {
	f := record.FailedShard{Shard: shard % s.Command.Count, ExitCode: code, Node: task.Node, Why: task.Why}
	if len(s.Command.Dates) > 0 {
		f.Date = s.Command.Dates[shard/s.Command.Count]
	}
	for _, a := range s.last().Arrays {
		if slices.Contains(a.Indices, shard-a.Offset) {
			f.Log = filepath.Join(s.Command.Logs, fmt.Sprintf("%s-%d.log", a.Name, shard-a.Offset))
		}
	}
	f.LastLine = lastLineOf(f.Log)
	return f
}

// Describe says of a shard that was given up what a person needs: which, how, where, and the last line of its log.
func Describe(f record.FailedShard) string {
	var b strings.Builder
	if f.Date != "" {
		b.WriteString(f.Date + ": ")
	}
	fmt.Fprintf(&b, "shard %d", f.Shard)
	switch {
	case f.Why == "CANCELLED":
		b.WriteString(" was canceled")
	case f.ExitCode == LostNode:
		switch f.Why {
		case "", "COMPLETED":
			b.WriteString(" lacks parts, and neither the engine nor a record of the shard knows how it ended")
		default:
			b.WriteString(" vanished (" + strings.ToLower(f.Why) + ")")
		}
	default:
		fmt.Fprintf(&b, " ended with exit code %d", f.ExitCode)
	}
	if f.Node != "" {
		b.WriteString(" on " + f.Node)
	}
	if f.LastLine != "" {
		b.WriteString(": " + f.LastLine)
	}
	if f.Log != "" {
		b.WriteString(" (log: " + f.Log + ")")
	}
	return display.Harmless(b.String())
}

// Cancel ends all arrays of the last round.
func (s *Submission) Cancel(ctx context.Context) error {
	ids, err := s.find(ctx)
	if err != nil {
		return err
	}
	return s.Engine.Cancel(ctx, ids)
}
