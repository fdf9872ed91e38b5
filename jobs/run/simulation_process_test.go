package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"graphscore/pipeline/exit"
	"graphscore/writers/atomic"
	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/record"
)

// simMachine is what processes share that fill one output.
type simMachine struct {
	power *atomictest.Power

	mu   sync.Mutex
	off  bool // the power is
	ends []context.CancelCauseFunc
}

func (m *simMachine) fail() {
	m.mu.Lock()
	m.off = true
	ends := m.ends
	m.mu.Unlock()
	for _, end := range ends {
		end(errSimDead)
	}
}

func (m *simMachine) isOff() bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.off
}

var errSimDead = errors.New("the process was killed")

// simDiskFault is what befalls a process at a step of its disk.
type simDiskFault string

const (
	simKill  simDiskFault = "killed"
	simPower simDiskFault = "power lost"
	simEIO   simDiskFault = "EIO"
	simFlash simDiskFault = "disk full" // for some steps
	simLook  simDiskFault = "EIO at a look"
)

// simProcess is one execution of the job, and what befalls it.
type simProcess struct {
	world   *simWorld
	out     string
	machine *simMachine // nil for a disk that keeps everything
	task    *record.Task
	finish  bool
	workers int
	slots   int // 0: columns go inline
	defect  simDefect
	dice    *simDice

	begins time.Duration // after the others
	stop   time.Duration // until SIGTERM, 0 for none
	disk   simDiskFault
	at     int  // of its steps, or looks
	lasts  int  // steps
	source int  // number of the read of the input that fails, 0 for none
	file   bool // and all after it of that file

	// What became of it.

	parts  []string
	ended  Ended
	err    error
	code   int
	mu     sync.Mutex
	died   bool
	steps  int
	looks  int
	reads  int
	firsts int    // reads of the first page of a Parquet file
	broken string // file of which every read fails
	hits   []string
	reused []string     // slots that were used again while a worker had them
	said   bytes.Buffer // its log
}

func (p *simProcess) String() string {
	what := "run"
	switch {
	case p.finish:
		what = "finish"
	case p.task != nil:
		what = "shard " + p.task.String()
	}
	what += fmt.Sprintf(" (%d workers, %d slots)", p.workers, p.slots)
	if p.disk != "" {
		what += fmt.Sprintf(", %s at %d", p.disk, p.at)
	}
	if p.source > 0 {
		what += fmt.Sprintf(", EIO at read %d", p.source)
	}
	if p.stop > 0 {
		what += fmt.Sprintf(", SIGTERM after %v", p.stop)
	}
	if p.dice != nil {
		what += fmt.Sprintf(", calls %d%% %v", p.dice.odds, p.dice.hits)
	}
	return what + fmt.Sprintf(": hit %v, died %v, exit code %d, %v", p.hits, p.died, p.code, p.err)
}

// run executes the job once.
func (p *simProcess) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	time.Sleep(p.begins)
	if p.machine != nil {
		p.machine.mu.Lock()
		p.machine.ends = append(p.machine.ends, cancel)
		p.machine.mu.Unlock()
		if p.machine.isOff() {
			p.died = true
			return
		}
	}
	if p.stop > 0 {
		timer := time.AfterFunc(p.stop, func() { cancel(&SignalError{syscall.SIGTERM}) })
		defer timer.Stop()
	}
	cfg := p.world.config(p.out)
	cfg.Task, cfg.Finish = p.task, p.finish
	cfg.Log = slog.New(slog.NewTextHandler(&p.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if p.task != nil {
		cfg.Balance = BalanceNumber
	}
	cfg.Disk = func(inner atomic.Disk) atomic.Disk {
		inner = atomictest.Quick(inner)
		if p.machine != nil {
			inner = p.machine.power.Disk(inner)
		}
		return &atomictest.Faulty{
			Disk: inner, Look: p.look,
			Fail: func(op, name string) error {
				err := p.step(op, name, cancel)
				cfg.Log.Debug("a step on the disk", "op", op, "name", name, "error", err)
				return err
			},
		}
	}
	cfg.File = func(path string, content io.ReaderAt) io.ReaderAt { return &simFile{path, content, p} }
	in, err := Prepare(ctx, cfg)
	if err == nil {
		for i := range in.Plan.Shards {
			p.parts = append(p.parts, in.Plan.Shards[i].Part)
		}
		p.ended, err = Execute(ctx, in, Options{Lender: &simLender{process: p, cfg: in.Config}})
	}
	p.err = Stopped(ctx, err)
	p.code = ExitCode(p.err)
	p.died = p.died || p.machine.isOff()
}

// step is what befalls a step that changes the disk.
func (p *simProcess) step(op, name string, cancel context.CancelCauseFunc) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
	off := p.machine.isOff()
	switch {
	case p.died || off:
		return atomictest.ErrDead
	case p.disk == "" || p.disk == simLook || p.steps < p.at:
		return nil
	case p.disk == simKill || p.disk == simPower:
		p.died = true
		p.hits = append(p.hits, op+" "+name)
		if cancel(errSimDead); p.disk == simPower {
			p.machine.fail()
		}
		return errSimDead
	case p.steps >= p.at+p.lasts:
		return nil
	}
	p.hits = append(p.hits, op+" "+name)
	if p.disk == simFlash && (op == "create" || op == "write" || op == "mkdir") {
		return syscall.ENOSPC
	}
	return syscall.EIO
}

func (p *simProcess) look(op, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looks++
	if p.disk != simLook || p.looks < p.at || p.looks >= p.at+p.lasts {
		return nil
	}
	p.hits = append(p.hits, op+" "+name)
	return syscall.EIO
}

// simFile is an input file whose reads fail.
type simFile struct {
	path    string
	content io.ReaderAt
	p       *simProcess
}

func (f *simFile) ReadAt(b []byte, at int64) (int, error) {
	p := f.p
	p.mu.Lock()
	if p.reads++; at == 4 {
		p.firsts++
	}
	fails := p.broken == f.path || p.source > 0 && p.reads == p.source
	if fails {
		p.hits = append(p.hits, "read "+f.path)
		if p.file {
			p.broken = f.path
		}
	}
	p.mu.Unlock()
	if fails {
		return 0, syscall.EIO
	}
	return f.content.ReadAt(b, at)
}

// simLender lends the session over the workers of a process.
type simLender struct {
	process *simProcess
	cfg     Config
	pool    *simPool
}

func (l *simLender) Borrow(context.Context) (*Session, error) {
	p := l.process
	var err error
	if l.pool, err = newSimPool(p, l.cfg.Log); err != nil {
		return nil, err
	}
	s, err := l.pool.session(l.cfg)
	if err != nil {
		return nil, errors.Join(err, l.pool.close(s))
	}
	return s, nil
}

func (l *simLender) Leave(s *Session) { l.pool.leave(s) }

func (l *simLender) Return(s *Session) error { return l.pool.close(s) }

// fault says what is wrong with how a process ended, where others were at work on the output or none was, and tree is what
// it left.
func (p *simProcess) fault(rivals bool, tree *simTree) string {
	if len(p.reused) > 0 {
		return p.reused[0]
	}
	if p.died {
		return ""
	}
	allowed := []int{p.world.code}
	disk, source := false, false
	for _, hit := range p.hits {
		if hit[:5] == "read " {
			source = true
		} else {
			disk = true
		}
	}
	if p.task != nil {
		allowed = []int{exit.Done}
		if !p.world.succeeds() {
			allowed = append(allowed, exit.Partly)
		}
	}
	if p.finish { // parts may be missing
		allowed = append(allowed, exit.Partly)
	}
	for code, may := range map[int]bool{
		exit.Locked: rivals, exit.IO: disk || source, exit.Partly: source, exit.NoInput: source,
		exit.Terminated: p.stop > 0, exit.NoScorer: p.dice.hit(simGone), exit.Contract: p.dice.hit(simContract, simMixed),
	} {
		if may {
			allowed = append(allowed, code)
		}
	}
	if !slices.Contains(allowed, p.code) {
		return fmt.Sprintf("the exit code is not one of %v", allowed)
	}
	if p.code != exit.Done && p.code != exit.Partly || source || rivals && p.task == nil { // others change what it has left
		return ""
	}
	return p.complete(tree)
}

// complete says what is missing after a process that says that it has done all it had to.
func (p *simProcess) complete(tree *simTree) string {
	for _, name := range p.parts {
		if _, is := tree.named[name]; !is && (!p.finish || p.code != exit.Partly) {
			return name + " is missing"
		}
	}
	c, refused := p.ended.Record.Counts, 0
	if !p.world.succeeds() {
		refused = 1
	}
	// Of a file that a shard could not read finish says that it was refused.
	if p.task != nil || p.finish && p.code == exit.Partly && (len(p.ended.Missing) > 0 || int(c.FilesRefused) > refused) {
		return ""
	}
	switch {
	case tree.succeeded != p.world.succeeds():
		return fmt.Sprintf("_SUCCESS is there: %v", tree.succeeded)
	case c.RowsIn != c.Scored+c.Quarantined+c.Skipped || c.RowsIn != p.world.rows:
		return fmt.Sprintf("the counts of %d graphs are %+v", p.world.rows, c)
	case p.ended.Record.ExitCode != p.code:
		return fmt.Sprintf("the record has the exit code %d", p.ended.Record.ExitCode)
	}
	return p.world.differs(tree, true)
}

// befall draws what befalls a process.
func (p *simProcess) befall(r *rand.Rand, seed uint64) {
	p.begins = time.Duration(r.IntN(300)) * time.Millisecond
	p.dice = newSimDice(seed)
	if r.IntN(3) > 0 {
		p.dice.odds = []int{5, 20, 60}[r.IntN(3)]
		usual := []simFault{
			simSlow, simLate, simFull, simBusy, simUnavailable, simReset, simStop, simDrain, simRaise, simDie, simLate, simDie, simReset,
			simStop, simLate, simGone, simContract, simMixed,
		}
		for range 1 + r.IntN(4) {
			p.dice.kinds = append(p.dice.kinds, usual[r.IntN(len(usual))])
		}
	}
	if r.IntN(8) == 0 {
		p.stop = time.Duration(1 + r.Int64N(int64(2*time.Second)))
	}
	if r.IntN(6) == 0 {
		p.source, p.file = 1+r.IntN(120), r.IntN(2) == 0
	}
	if r.IntN(4) > 0 {
		kinds := []simDiskFault{simKill, simKill, simPower, simPower, simEIO, simFlash, simLook}
		p.disk, p.at, p.lasts = kinds[r.IntN(len(kinds))], 1+r.IntN(150), 1
		if p.disk == simLook {
			p.at = 1 + r.IntN(40)
		}
		if r.IntN(2) == 0 {
			p.lasts = 1 + r.IntN(100)
		}
	}
}
