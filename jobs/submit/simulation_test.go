package submit

import (
	"container/heap"
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/readers"
	"graphscore/writers/record"
)

// The simulation runs the real [Submission], over the shards of [run.Assign], on a cluster whose clock is that of a
// synctest bubble: nobody waits. The same seed has the same outcome.

var table = flag.Bool("table", false, "print what the simulated submissions took")

// cluster is what a simulated cluster is, and what goes wrong on it.
type cluster struct {
	name    string
	balance string
	nodes   int
	shards  int
	atOnce  int // of an array; 0: any
	rounds  int

	stragglers float64       // share of the nodes that run at a quarter of the speed
	broken     time.Duration // mean time between two failures of a node; 0: never
	transient  float64       // share of the attempts that end with an error that passes
	poisoned   int           // shards that end with an error that does not pass
}

// What a simulated job is. A part of 200,000 graphs takes a node 100 s.
const (
	simGraphs  = 1_000_000_000
	simParts   = 5_000
	simRate    = 2_000 // graphs a second of a node
	simStartup = 15 * time.Second
	simRepair  = 20 * time.Minute
	slowness   = 4
)

// simulated is a cluster with a job on it: the engine and the output of a submission.
type simulated struct {
	cluster
	r      *rand.Rand
	events events
	arrays map[string]*simArray // by name, and by id
	queue  []*simTask
	racks  []*simNode

	graphs  []int64 // by part
	parts   [][]int // by shard
	made    []int   // how many times each part was committed
	poison  map[int]int
	codes   map[int]int // the last code of each shard
	over    map[int]bool
	again   []int // shards that were started after they had failed for good
	starts  int
	running map[string]int
	idle    bool // a node or a task came free since tasks were started last
	mostRun int
	busy    time.Duration
	lost    time.Duration
	saved   record.Submission
}

type simNode struct {
	name   string
	slow   float64
	task   *simTask
	down   bool
	began  time.Time // of the task
	serial int       // of the task that runs, so that events of earlier ones do nothing
}

type simArray struct {
	id    string
	of    record.Array
	tasks []*simTask
}

type simTask struct {
	array *simArray
	index int
	shard int
	Task
}

// event is something that happens on a node.
type event struct {
	at     time.Time
	order  int // of equal times
	node   *simNode
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(v any)   { *e = append(*e, v.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// simulate returns a cluster with a job of parts whose sizes differ by a log-normal distribution.
func simulate(t *testing.T, c cluster, seed uint64) *simulated {
	t.Helper()
	s := &simulated{
		cluster: c, r: rand.New(rand.NewPCG(seed, 1)), arrays: map[string]*simArray{}, poison: map[int]int{}, codes: map[int]int{},
		over: map[int]bool{}, running: map[string]int{}, made: make([]int, simParts),
	}
	weights, sum := make([]float64, simParts), 0.0
	for i := range weights {
		weights[i] = math.Exp(s.r.NormFloat64())
		sum += weights[i]
	}
	l := &readers.Listing{
		Inputs: []readers.ListedInput{{Path: "/in", Kind: "folder"}}, Columns: map[string]string{}, Layout: graph.LayoutRows,
		Fingerprint: readers.FingerprintFast, ShardBytes: 1 << 28,
	}
	for i := range weights {
		n := max(1, int64(weights[i]/sum*simGraphs))
		s.graphs = append(s.graphs, n)
		name := fmt.Sprintf("%05d.parquet", i)
		l.Files = append(l.Files, readers.ListedFile{Path: name, Rows: n, Groups: 1, Shards: []readers.ListedShard{{Part: name, Rows: n, Bytes: n * 1300}}})
	}
	plan, err := readers.Planned(readers.Config{Inputs: []readers.Input{{Path: "/in"}}, ShardBytes: 1 << 28}, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, places := range run.Assign(plan.Places(), c.shards, c.balance) {
		var parts []int
		for _, p := range places {
			parts = append(parts, p.Shard)
		}
		s.parts = append(s.parts, parts)
	}
	permanent := Permanent()
	for _, shard := range s.r.Perm(c.shards)[:c.poisoned] {
		s.poison[shard] = permanent[s.r.IntN(len(permanent))]
	}
	for i := range c.nodes {
		n := &simNode{name: fmt.Sprintf("n%d", i), slow: 1}
		if s.r.Float64() < c.stragglers {
			n.slow = slowness
		}
		s.racks = append(s.racks, n)
		s.failLater(n, time.Now())
	}
	return s
}

// failLater lets a node fail some time after now.
func (s *simulated) failLater(n *simNode, now time.Time) {
	if s.broken == 0 {
		return
	}
	at := now.Add(time.Duration(s.r.ExpFloat64() * float64(s.broken)))
	heap.Push(&s.events, event{at: at, order: s.r.Int(), node: n, serial: -1, do: func() { s.fail(n, at) }})
}

// fail ends what runs on a node. Slurm puts most such tasks back into the queue, as they have --requeue.
func (s *simulated) fail(n *simNode, at time.Time) {
	n.down = true
	if t := n.task; t != nil {
		s.lost += s.release(n, at)
		if s.r.IntN(5) > 0 {
			t.State, t.Why = Waiting, "PENDING"
			s.queue = append(s.queue, t)
		} else {
			t.State, t.Why, t.Code = Ended, "NODE_FAIL", LostNode
		}
	}
	up := at.Add(simRepair)
	heap.Push(&s.events, event{at: up, order: s.r.Int(), node: n, serial: -1, do: func() {
		n.down, s.idle = false, true
		s.failLater(n, up)
	}})
}

// release frees a node and returns how long it has worked since its last part.
func (s *simulated) release(n *simNode, at time.Time) time.Duration {
	wasted := at.Sub(n.began)
	s.busy += wasted
	s.running[n.task.array.id]--
	n.task, n.serial, s.idle = nil, n.serial+1, true
	return wasted
}

// advance lets happen what happens until now.
func (s *simulated) advance() {
	now := time.Now()
	s.start(now)
	for len(s.events) > 0 && !s.events[0].at.After(now) {
		e := heap.Pop(&s.events).(event)
		if e.serial >= 0 && e.serial != e.node.serial {
			continue
		}
		e.do()
		s.start(e.at)
	}
}

// start starts what waits on the nodes that are free.
func (s *simulated) start(now time.Time) {
	if !s.idle {
		return
	}
	s.idle = false
	for _, n := range s.racks {
		if n.task != nil || n.down {
			continue
		}
		at := slices.IndexFunc(s.queue, func(t *simTask) bool { return s.atOnce == 0 || s.running[t.array.id] < s.atOnce })
		if at < 0 {
			return
		}
		t := s.queue[at]
		s.queue = slices.Delete(s.queue, at, at+1)
		s.launch(n, t, now)
	}
}

// launch runs a shard: each part that does not exist, one after the other, until it is done or fails.
func (s *simulated) launch(n *simNode, t *simTask, now time.Time) {
	s.starts++
	if s.over[t.shard] {
		s.again = append(s.again, t.shard)
	}
	s.running[t.array.id]++
	s.mostRun = max(s.mostRun, s.running[t.array.id])
	n.task, n.serial, n.began = t, n.serial+1, now
	t.State, t.Why, t.Node = Running, "RUNNING", n.name
	var todo []int
	for _, p := range s.parts[t.shard] {
		if s.made[p] == 0 {
			todo = append(todo, p)
		}
	}
	fails := len(todo) + 1 // never
	code := 0
	if s.r.Float64() < s.transient {
		passing := []int{exit.NoScorer, exit.IO, exit.Locked, 137, 143}
		fails, code = s.r.IntN(len(todo)+1), passing[s.r.IntN(len(passing))]
	}
	if bad, is := s.poison[t.shard]; is {
		fails, code = s.r.IntN(len(todo)+1), bad
		fails = min(fails, len(todo)-1) // something is missing
	}
	s.next(n, t, now.Add(simStartup), todo, fails, code)
}

// next makes the next part of a shard from a moment on.
func (s *simulated) next(n *simNode, t *simTask, from time.Time, todo []int, fails, code int) {
	at, ends := from, len(todo) == 0 || fails == 0
	if !ends {
		at = from.Add(time.Duration(float64(s.graphs[todo[0]]) / simRate * n.slow * float64(time.Second)))
	}
	heap.Push(&s.events, event{at: at, order: s.r.Int(), node: n, serial: n.serial, do: func() {
		if ends {
			s.end(n, t, at, code)
			return
		}
		s.made[todo[0]]++
		s.busy += at.Sub(n.began)
		n.began = at
		s.next(n, t, at, todo[1:], fails-1, code)
	}})
}

// end ends a shard with its code.
func (s *simulated) end(n *simNode, t *simTask, at time.Time, code int) {
	wasted := s.release(n, at)
	if code != exit.Done {
		s.lost += wasted
	}
	if !MayPass(code) {
		s.over[t.shard] = true
	}
	s.codes[t.shard] = code
	t.State, t.Why, t.Code = Ended, "COMPLETED", code
}

// The engine.

func (s *simulated) Limit(context.Context) (int, error) { return 1001, nil }

func (s *simulated) Script(_ Command, a record.Array) []byte {
	s.arrays[a.Name] = &simArray{of: a}
	return nil
}

func (s *simulated) WriteScript(name string, _ []byte) (string, error) { return name, nil }

func (s *simulated) Submit(_ context.Context, path string, _ *os.File) (string, error) {
	a := s.arrays[path[:len(path)-len(".sh")]]
	a.id, s.idle = fmt.Sprint(len(s.arrays)), true
	s.arrays[a.id] = a
	for _, i := range a.of.Indices {
		t := &simTask{array: a, index: i, shard: i + a.of.Offset, Task: Task{ArrayID: a.id, Index: i, State: Waiting}}
		a.tasks, s.queue = append(a.tasks, t), append(s.queue, t)
	}
	return a.id, nil
}

func (s *simulated) Find(context.Context, string) (string, error) { return "", nil }

func (s *simulated) Tasks(_ context.Context, ids []string) (all []Task, _ error) {
	s.advance()
	for _, id := range ids {
		for _, t := range s.arrays[id].tasks {
			all = append(all, t.Task)
		}
	}
	return all, nil
}

func (s *simulated) Cancel(context.Context, []string) error { return nil }

// The output.

func (s *simulated) Lacking(context.Context) (shards []int, _ error) {
	for shard, parts := range s.parts {
		if slices.ContainsFunc(parts, func(p int) bool { return s.made[p] == 0 }) {
			shards = append(shards, shard)
		}
	}
	return shards, nil
}

func (s *simulated) ExitCode(shard int) (int, bool) {
	code, ok := s.codes[shard]
	return code, ok
}

func (s *simulated) Graphs() (done, all int64) { return 0, simGraphs }

func (s *simulated) Save(r *record.Submission) error {
	s.saved = *r
	return nil
}

// submitted runs the submission to its end and returns how long that took.
func (s *simulated) submitted(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	sub := &Submission{
		Engine: s, Work: s, Rounds: s.rounds, Every: 10 * time.Second, Pause: time.Minute, Command: Command{Count: s.shards},
		Record: &record.Submission{SubmitID: "sim", Shards: s.shards},
	}
	if err := sub.Execute(t.Context()); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// check reports what must never happen: a part that was made twice, or lacks and is not named; too many rounds or tasks at once;
// and another attempt of a shard that failed for good.
func (s *simulated) check(t *testing.T) {
	t.Helper()
	given := map[int]bool{}
	for _, f := range s.saved.Failed {
		given[f.Shard] = true
	}
	for shard, parts := range s.parts {
		missing := false
		for _, p := range parts {
			if s.made[p] > 1 {
				t.Errorf("part %d of shard %d was made %d times", p, shard, s.made[p])
			}
			missing = missing || s.made[p] == 0
		}
		if missing != given[shard] {
			t.Errorf("shard %d lacks parts: %v; it was named: %v", shard, missing, given[shard])
		}
	}
	if len(s.saved.Rounds) > s.rounds+1 {
		t.Errorf("%d rounds, at most %d were to be", len(s.saved.Rounds), s.rounds+1)
	}
	if len(s.again) > 0 {
		t.Errorf("shards %v were started after they had failed for good", s.again)
	}
	if s.atOnce > 0 && s.mostRun > s.atOnce {
		t.Errorf("%d tasks of an array ran at once, at most %d may", s.mostRun, s.atOnce)
	}
	for shard := range s.poison {
		if !given[shard] {
			t.Errorf("shard %d fails for good and was not named", shard)
		}
	}
}

// clusters are those of the table.
func clusters() (all []cluster) {
	for _, balance := range []string{run.BalanceNumber, run.BalanceBytes} {
		calm := cluster{name: "calm", balance: balance, nodes: 100, shards: 100, rounds: 3}
		finer, slow, broken, limited, everything := calm, calm, calm, calm, calm
		finer.name, finer.shards = "400 shards", 400
		slow.name, slow.shards, slow.stragglers = "stragglers", 400, 0.05
		broken.name, broken.shards, broken.broken = "nodes fail", 400, 6*time.Hour
		limited.name, limited.shards, limited.atOnce = "50 at once", 400, 50
		everything.name, everything.shards, everything.stragglers, everything.broken = "everything", 1500, 0.05, 6*time.Hour
		everything.transient, everything.poisoned, everything.atOnce = 0.05, 3, 80
		all = append(all, calm, finer, slow, broken, limited, everything)
	}
	return all
}

func TestSimulation(t *testing.T) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if *table {
		fmt.Fprintln(out, "cluster\tbalance\tshards\tseed\twall h\tnode h\tlost node h\tstarts\trounds\tgiven up")
	}
	all, seeds := clusters(), uint64(3)
	if !*table { // those on which everything goes wrong are enough
		all, seeds = slices.DeleteFunc(all, func(c cluster) bool { return c.poisoned == 0 }), 2
	}
	for _, c := range all {
		for seed := range seeds {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, c, seed)
				wall := s.submitted(t)
				s.check(t)
				if *table {
					fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%.2f\t%.1f\t%.2f\t%d\t%d\t%d\n", c.name, c.balance, c.shards, seed,
						wall.Hours(), s.busy.Hours(), s.lost.Hours(), s.starts, len(s.saved.Rounds), len(s.saved.Failed))
				}
			})
		}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestSimulationIsSeeded: the same seed has the same outcome.
func TestSimulationIsSeeded(t *testing.T) {
	t.Parallel()
	all := clusters()
	once := func() (wall, busy time.Duration, codes map[int]int) {
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, all[len(all)-1], 7)
			wall, busy, codes = s.submitted(t), s.busy, s.codes
		})
		return wall, busy, codes
	}
	wall, busy, codes := once()
	wall2, busy2, codes2 := once()
	if wall != wall2 || busy != busy2 || !maps.Equal(codes, codes2) {
		t.Errorf("%v, %v and %v, %v of one seed", wall, busy, wall2, busy2)
	}
}
