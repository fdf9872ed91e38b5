package run

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/record"
)

// TestFaultSchedules plays schedules of faults against whole runs of a job, in the time that the bubbles of synctest have:
// the disk, the input, the connections and the workers are fakes that fail as the seed of a schedule says. After each
// attempt what is to be seen of the output must be right, and once nothing fails any more it must be that of a run that
// nothing has disturbed: invariants 1, 2 and 6 of the design, and the exit codes.
//
// SIM_SEED is the seed of the first schedule, the next ones are those of the numbers after it, and SIM_COUNT is how many
// there are. The same seed draws the same faults; which goroutine meets them first is the scheduler's to say, so that some
// failures come only once in hundreds of plays of their seed: SIM_PLAYS is how often each is played, once if it is not set.
func TestFaultSchedules(t *testing.T) {
	t.Parallel()
	seed, count := mutation.Number(t, "SIM_SEED", 1), mutation.Number(t, "SIM_COUNT", simCount)
	plays := mutation.Number(t, "SIM_PLAYS", 1)
	if count < 1 || plays < 1 {
		t.Fatalf("SIM_COUNT is %d and SIM_PLAYS %d: both must be 1 at least", count, plays)
	}
	worlds := simWorlds(t)
	base := t.TempDir()
	lanes := uint64(runtime.GOMAXPROCS(0))
	var graphs atomic.Int64
	t.Cleanup(func() {
		faulttest.Report(t, faulttest.Row{Case: "P7", How: "seeded schedules of faults of disks, files, connections and workers over whole runs in fake time",
			Outcome: "exit codes as due, nothing wrong to be seen at any time; then the bytes of an undisturbed run",
			Times:   int(count * plays), Tally: &faulttest.Tally{Graphs: int(graphs.Load())}})
	})
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			for i := lane; i < count*plays && !t.Failed(); i += lanes {
				s := newSimSchedule(seed+i/plays, worlds, fmt.Sprintf("%s/%d", base, lane))
				synctest.Test(t, s.play)
				if s.fault != "" {
					t.Error(s.story())
				}
				simMust(t, os.RemoveAll(s.out))
				graphs.Add(s.world.rows)
			}
		})
	}
}

// simSchedule is what befalls one output: some attempts that are disturbed, then one that is not.
type simSchedule struct {
	seed    uint64
	r       *rand.Rand
	world   *simWorld
	out     string
	beside  int // shards that fill it, 0 for a run alone
	workers int
	slots   int
	defect  simDefect
	log     []string // what befell the processes of each attempt, and what they left
	logs    []string // those of the processes
	fault   string   // what is wrong
}

func newSimSchedule(seed uint64, worlds []*simWorld, base string) *simSchedule {
	r := rand.New(rand.NewPCG(seed, 0))
	return &simSchedule{
		seed: seed, r: r, world: worlds[r.IntN(len(worlds))], out: fmt.Sprintf("%s/%d", base, seed),
		beside: []int{0, 0, 2, 3}[r.IntN(4)], workers: 1 + r.IntN(3), slots: max(0, r.IntN(6)-1),
	}
}

// story is all that is known of a schedule in which something is wrong: the attempts, the logs of their processes with each
// step on the disk, and last what is wrong. It is kept in a file, as not every play of the seed may come to it.
func (s *simSchedule) story() string {
	whole := fmt.Sprintf("%s\n%s\nseed %d, world %q, %d shards, %d CPUs: %s\n", strings.Join(s.logs, "\n"), strings.Join(s.log, "\n"),
		s.seed, s.world.name, s.beside, runtime.GOMAXPROCS(0), s.fault)
	return fmt.Sprintf("%s%s; repeat it with: make test-simulation SIM_SEED=%d SIM_COUNT=1 SIM_PLAYS=300", whole,
		mutation.Keep("simulation", fmt.Sprint(s.seed), []byte(whole)), s.seed)
}

// play plays it until something is wrong.
func (s *simSchedule) play(t *testing.T) {
	for range 1 + s.r.IntN(3) {
		s.attempt(t, true)
	}
	s.attempt(t, false)
	if s.beside > 0 {
		last := s.process()
		last.finish = true
		s.together(t, []*simProcess{last})
	}
	if s.fault != "" {
		return
	}
	tree, fault := simOutput(s.out)
	if fault == "" {
		fault = s.world.differs(&tree, true)
	}
	switch {
	case fault != "":
		s.fault = fault
	case tree.succeeded != s.world.succeeds():
		s.fault = fmt.Sprintf("_SUCCESS is there: %v", tree.succeeded)
	case len(tree.temps) > 0:
		s.fault = fmt.Sprintf("temporary files are left: %v", tree.temps)
	case len(tree.tasks) > 0 && s.world.succeeds():
		s.fault = fmt.Sprintf("records of shards are left: %v", tree.tasks)
	}
}

// process is one that nothing befalls.
func (s *simSchedule) process() *simProcess {
	return &simProcess{world: s.world, out: s.out, workers: s.workers, slots: s.slots, defect: s.defect}
}

// attempt runs the processes of an attempt side by side.
func (s *simSchedule) attempt(t *testing.T, disturbed bool) {
	t.Helper()
	var list []*simProcess
	for i := range s.beside {
		if disturbed && s.r.IntN(4) == 0 {
			continue
		}
		p := s.process()
		p.task = &record.Task{Index: i, Count: s.beside}
		list = append(list, p)
	}
	if s.beside == 0 || disturbed && s.r.IntN(3) == 0 { // a run that has the output alone, or would
		list = append(list, s.process())
	}
	if disturbed && s.r.IntN(6) == 0 {
		list = append(list, s.process())
		list[len(list)-1].finish = true
	}
	if disturbed {
		for i, p := range list {
			p.befall(s.r, s.seed<<8+uint64(i))
		}
	}
	s.together(t, list)
}

// together runs processes on one machine, and looks at what they leave.
func (s *simSchedule) together(t *testing.T, list []*simProcess) {
	t.Helper()
	if s.fault != "" {
		return
	}
	if err := os.MkdirAll(s.out, 0o777); err != nil {
		t.Fatal(err)
	}
	machine := &simMachine{power: atomictest.NewPower(s.out)}
	var g errgroup.Group
	for _, p := range list {
		p.machine = machine
		g.Go(func() error { p.run(t.Context()); return nil })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if machine.off {
		lost := s.r.IntN(3)
		if err := machine.power.Lose(func(dir string) bool {
			return lost == 0 || lost == 1 && s.r.IntN(2) == 0 || path.Base(dir) == "_quarantine"
		}); err != nil {
			t.Fatal(err)
		}
		s.log = append(s.log, fmt.Sprint("  the power was lost, and with it folders ", lost))
	}
	tree, fault := simOutput(s.out)
	if fault == "" {
		fault = s.world.differs(&tree, false)
	}
	for _, p := range list {
		s.log = append(s.log, "  "+p.String())
		s.logs = append(s.logs, fmt.Sprintf("the log of %v\n%s", p, p.said.String()))
		if fault == "" {
			if fault = p.fault(len(list) > 1, &tree); fault != "" {
				fault = p.String() + ": " + fault
			}
		}
		if fault == "" && p.disk == "" && p.dice == nil && p.code != s.world.code && p.task == nil {
			fault = p.String() + ": nothing befell it"
		}
	}
	s.log = append(s.log, fmt.Sprintf("  left: %v, temporary %v, shards %v, _SUCCESS %v",
		slices.Sorted(maps.Keys(tree.named)), tree.temps, tree.tasks, tree.succeeded))
	s.fault = fault
}
