package submit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// fakeEngine ends each task at the second look, with the next code of its shard.
type fakeEngine struct {
	limit     int
	codes     map[int][]int // by shard, one for each time it is submitted; then 0
	output    *fakeWork
	scripts   map[string]record.Array // by path
	arrays    map[string]record.Array // by id
	looked    map[string]int
	submits   int
	canceled  []string
	loseReply bool // the next Submit does its work and fails
	mute      int  // so many looks fail
	full      int  // so many calls of Submit are refused once there is an array
	refused   int
	forgets   bool // what it knows of a task once its end was seen
}

func (e *fakeEngine) Limit(context.Context) (int, error) { return e.limit, nil }

func (e *fakeEngine) Script(_ Command, a record.Array) []byte {
	e.scripts["/"+a.Name+".sh"] = a
	return []byte(a.Name)
}

func (e *fakeEngine) Submit(_ context.Context, path string, _ *os.File) (string, error) {
	if e.full > 0 && e.submits > 0 {
		e.full--
		e.refused++
		return "", &CommandError{Command: "sbatch --parsable " + path, Said: "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"}
	}
	e.submits++
	id := fmt.Sprint(100 + e.submits)
	e.arrays[id] = e.scripts[path]
	if e.loseReply {
		e.loseReply = false
		return "", errors.New("lost")
	}
	return id, nil
}

func (e *fakeEngine) Find(_ context.Context, name string) (string, error) {
	for id, a := range e.arrays {
		if a.Name == name {
			return id, nil
		}
	}
	return "", nil
}

func (e *fakeEngine) Tasks(_ context.Context, ids []string) ([]Task, error) {
	if e.mute > 0 {
		e.mute--
		return nil, errors.New("the controller does not answer")
	}
	var tasks []Task
	for _, id := range ids {
		a := e.arrays[id]
		if e.looked[id]++; e.forgets && e.looked[id] > 2 {
			continue
		}
		for _, i := range a.Indices {
			t := Task{ArrayID: id, Index: i, State: Running, Why: "RUNNING", Node: "n1"}
			if e.looked[id] >= 2 {
				t.State, t.Why, t.Code = Ended, "FAILED", e.end(i+a.Offset, e.looked[id] == 2)
			}
			if t.Code == vanishes {
				continue
			}
			tasks = append(tasks, t)
		}
	}
	return tasks, nil
}

// vanishes is the code of a task of which the engine knows nothing once it has ended.
const vanishes = 1000

func (e *fakeEngine) end(shard int, first bool) int {
	code := 0
	if codes := e.codes[shard]; len(codes) > 0 {
		code = codes[0]
		if first {
			e.codes[shard] = codes[1:]
		}
	}
	if code == 0 {
		e.output.parts[shard] = true
	}
	return code
}

func (e *fakeEngine) Cancel(_ context.Context, ids []string) error {
	e.canceled = append(e.canceled, ids...)
	return nil
}

type fakeWork struct {
	shards int
	parts  map[int]bool
	codes  map[int]int
	saved  []record.Submission
}

func (w *fakeWork) Lacking(context.Context) ([]int, error) {
	var lacking []int
	for i := range w.shards {
		if !w.parts[i] {
			lacking = append(lacking, i)
		}
	}
	return lacking, nil
}

func (w *fakeWork) ExitCode(shard int) (int, bool) { c, ok := w.codes[shard]; return c, ok }

func (w *fakeWork) Graphs() (done, all int64) { return int64(10 * len(w.parts)), int64(10 * w.shards) }

func (w *fakeWork) Save(r *record.Submission) error {
	w.saved = append(w.saved, clone(*r))
	return nil
}

func (w *fakeWork) WriteScript(name string, _ []byte) (string, error) { return "/" + name, nil }

func newFake(shards, limit int) (*Submission, *fakeEngine, *fakeWork) {
	w := &fakeWork{shards: shards, parts: map[int]bool{}, codes: map[int]int{}}
	e := &fakeEngine{limit: limit, codes: map[int][]int{}, output: w, scripts: map[string]record.Array{}, arrays: map[string]record.Array{}, looked: map[string]int{}}
	s := &Submission{
		Engine: e, Work: w, Command: Command{Words: []string{"graphscore", "run"}, Count: shards, Logs: "/logs"}, Rounds: 2,
		Every: time.Millisecond, Record: &record.Submission{SubmitID: "20261127T000000Z-00000000"},
	}
	return s, e, w
}

func TestExecute(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		limit  int
		given  func(*fakeEngine, *fakeWork)
		arrays []string // what was submitted, in order
		failed map[int]int
	}{
		{"all is done at once", 1000, func(*fakeEngine, *fakeWork) {}, []string{"0+0-5"}, nil},
		{"what has its parts is not submitted", 1000, func(_ *fakeEngine, w *fakeWork) {
			w.parts = map[int]bool{0: true, 3: true}
		}, []string{"0+1-2,4-5"}, nil},
		{"nothing to do", 1000, func(_ *fakeEngine, w *fakeWork) {
			w.parts = map[int]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true}
		}, nil, nil},
		{"arrays below the limit", 4, func(*fakeEngine, *fakeWork) {}, []string{"0+0-3", "4+0-1"}, nil},
		{"what may pass is submitted again", 1000, func(e *fakeEngine, _ *fakeWork) {
			e.codes = map[int][]int{1: {69}, 4: {143, 137}}
		}, []string{"0+0-5", "0+1,4", "0+4"}, nil},
		{"until the rounds are over", 4, func(e *fakeEngine, _ *fakeWork) {
			e.codes = map[int][]int{5: {74, 74, 74, 74}}
		}, []string{"0+0-3", "4+0-1", "4+1", "4+1"}, map[int]int{5: 74}},
		{"what finds the output held is tried again, and that is no round", 1000, func(e *fakeEngine, _ *fakeWork) {
			e.codes = map[int][]int{1: {75, 75, 75, 75, 69}, 4: {75}}
		}, []string{"0+0-5", "0+1,4", "0+1", "0+1", "0+1", "0+1"}, nil},
		{"but not for ever", 1000, func(e *fakeEngine, _ *fakeWork) {
			e.codes = map[int][]int{1: slices.Repeat([]int{75}, 100)}
		}, append([]string{"0+0-5"}, slices.Repeat([]string{"0+1"}, lockedRounds-1)...), map[int]int{1: 75}},
		{"what does not pass is given up, the others are not", 1000, func(e *fakeEngine, _ *fakeWork) {
			e.codes = map[int][]int{1: {78}, 2: {LostNode}, 3: {3}}
		}, []string{"0+0-5", "0+2"}, map[int]int{1: 78, 3: 3}},
		{"a task that vanished has the code of its record", 1000, func(e *fakeEngine, w *fakeWork) {
			e.codes, w.codes = map[int][]int{1: {vanishes}, 2: {vanishes}}, map[int]int{1: 65}
		}, []string{"0+0-5", "0+2"}, map[int]int{1: 65}},
		{"a code of 0 without parts is none", 1000, func(e *fakeEngine, w *fakeWork) {
			e.codes, w.codes = map[int][]int{2: {vanishes}}, map[int]int{2: 0}
		}, []string{"0+0-5", "0+2"}, nil},
		{"a controller that does not answer for a while", 1000, func(e *fakeEngine, _ *fakeWork) { e.mute = failedLooks }, []string{"0+0-5"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, e, w := newFake(6, c.limit)
			c.given(e, w)
			if err := s.Execute(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := submitted(s.Record); !slices.Equal(got, c.arrays) || e.submits != len(c.arrays) {
				t.Errorf("submitted %q in %d calls, expected %q", got, e.submits, c.arrays)
			}
			failed := map[int]int{}
			for _, f := range s.Record.Failed {
				failed[f.Shard] = f.ExitCode
			}
			if !maps.Equal(failed, c.failed) {
				t.Errorf("failed %v, expected %v", failed, c.failed)
			}
		})
	}
}

// submitted are the arrays of a record as offset+indices.
func submitted(r *record.Submission) []string {
	var all []string
	for _, round := range r.Rounds {
		for _, a := range round.Arrays {
			all = append(all, fmt.Sprintf("%d+%s", a.Offset, display.Ranges(a.Indices)))
		}
	}
	return all
}

// An array that is refused for the number of tasks waits for those of the first one.
func TestNoRoomForAnArray(t *testing.T) {
	t.Parallel()
	const limit, silence = "submit limit", "does not answer"
	for _, c := range []struct {
		name          string
		full          int
		given         func(*fakeEngine)
		fails         string
		said, refused int
	}{
		{"until tasks have ended", 1, func(*fakeEngine) {}, "", 1, 1},
		{"and is handed over once more when none is at work any more", 1000, func(*fakeEngine) {}, limit, 1, 3},
		{"the last of which ended after the answer", 1, func(e *fakeEngine) { e.looked["101"] = 1 }, "", 0, 1},
		{"also where the engine does not answer for a while", failedLooks + 1, func(e *fakeEngine) { e.mute = failedLooks }, "", 1, failedLooks + 1},
		{"but not where it never does", 1000, func(e *fakeEngine) { e.mute = 1000 }, silence, 0, failedLooks + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, e, _ := newFake(6, 4)
			e.full = c.full
			c.given(e)
			said := 0
			s.NoRoom = func(context.Context, error) { said++ }
			err := s.Execute(t.Context())
			if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("got %v", err)
			}
			if said != c.said {
				t.Errorf("said %d times", said)
			}
			if got := submitted(s.Record); !slices.Equal(got, []string{"0+0-3", "4+0-1"}) {
				t.Errorf("submitted %q", got)
			}
			if (err == nil) != (e.submits == 2) || e.refused != c.refused {
				t.Errorf("submitted %d arrays, refused %d", e.submits, e.refused)
			}
		})
	}
}

// What ends while an array waits for room is seen, though the engine has forgotten it when all are handed over.
func TestEndsBeforeThereIsRoom(t *testing.T) {
	t.Parallel()
	s, e, _ := newFake(6, 4)
	e.full, e.forgets, e.codes = 2, true, map[int][]int{1: {78}}
	var seen []Progress
	s.Seen = func(p Progress) {
		p.Rate = 0
		seen = append(seen, p)
	}
	looked := 0
	s.Looked = func(_ context.Context, atWork map[int]bool) {
		if looked++; looked <= 2 && (!atWork[4] || !atWork[5]) {
			t.Errorf("at work: %v", atWork)
		}
	}
	if err := s.Execute(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := submitted(s.Record); !slices.Equal(got, []string{"0+0-3", "4+0-1"}) {
		t.Errorf("submitted %q", got)
	}
	if f := s.Record.Failed; len(f) != 1 || f[0].Shard != 1 || f[0].ExitCode != 78 || f[0].Node != "n1" {
		t.Errorf("failed %+v", f)
	}
	expected := []Progress{
		{Shards: 6, Waiting: 2, Running: 4, OfGraphs: 60},
		{Shards: 6, Done: 3, Waiting: 2, Failed: 1, Graphs: 30, OfGraphs: 60},
	}
	if len(seen) < 2 || !reflect.DeepEqual(seen[:2], expected) {
		t.Errorf("got %+v, expected %+v", seen, expected)
	}
}

func TestControllerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	s, e, _ := newFake(2, 10)
	e.mute = failedLooks + 1
	if err := s.Execute(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
}

// Wherever a submission dies, a second one from what was saved submits each array once.
func TestExecuteContinuesAfterDeath(t *testing.T) {
	t.Parallel()
	s, e, w := newFake(6, 4)
	e.codes = map[int][]int{1: {69}}
	e.loseReply = true
	if err := s.Execute(t.Context()); err == nil {
		t.Fatal("the reply was not lost")
	}
	expected := []string{"0+0-3", "4+0-1", "0+1"}
	for dead := range 20 {
		next := *s
		saved := clone(w.saved[len(w.saved)-1])
		next.Record = &saved
		ctx, kill := context.WithCancel(t.Context())
		looks := 0
		next.Seen = func(Progress) {
			if looks++; looks > dead%3 {
				kill()
			}
		}
		err := next.Execute(ctx)
		kill()
		if err == nil {
			if got := submitted(next.Record); !slices.Equal(got, expected) || e.submits != len(expected) {
				t.Errorf("submitted %q in %d calls, expected %q", got, e.submits, expected)
			}
			return
		}
	}
	t.Error("it never ended")
}

func clone(s record.Submission) record.Submission {
	full := s.Complete()
	full.Rounds = slices.Clone(full.Rounds)
	for i := range full.Rounds {
		full.Rounds[i].Arrays = slices.Clone(full.Rounds[i].Arrays)
	}
	return full
}

func TestProgress(t *testing.T) {
	t.Parallel()
	s, e, w := newFake(6, 1000)
	w.parts[0] = true
	e.codes[2] = []int{78}
	var seen []Progress
	s.Seen = func(p Progress) {
		p.Rate = 0
		seen = append(seen, p)
	}
	if err := s.Execute(t.Context()); err != nil {
		t.Fatal(err)
	}
	expected := []Progress{
		{Shards: 6, Done: 1, Running: 5, Graphs: 10, OfGraphs: 60},
		{Shards: 6, Done: 5, Failed: 1, Graphs: 50, OfGraphs: 60},
	}
	if !reflect.DeepEqual(seen, expected) {
		t.Errorf("got %+v, expected %+v", seen, expected)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s, e, _ := newFake(6, 4)
	ctx, stop := context.WithCancel(t.Context())
	s.Seen = func(Progress) { stop() }
	if err := s.Execute(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if err := s.Cancel(t.Context()); err != nil || !slices.Equal(e.canceled, []string{"101", "102"}) {
		t.Errorf("canceled %v (%v)", e.canceled, err)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failed   record.FailedShard
		expected string
	}{
		{record.FailedShard{Shard: 7, ExitCode: 78, Node: "n2", Why: "FAILED", Log: "/l/a-7.log", LastLine: "graphscore: bad\x1b[2J"}, `shard 7 ended with exit code 78 on n2: graphscore: bad\x1b[2J (log: /l/a-7.log)`},
		{record.FailedShard{Shard: 1, ExitCode: LostNode, Why: "NODE_FAIL", Node: "n1"}, "shard 1 vanished (node_fail) on n1"},
		{record.FailedShard{Shard: 1, ExitCode: LostNode}, "shard 1 lacks parts, and neither the engine nor a record of the shard knows how it ended"},
		{record.FailedShard{Shard: 1, ExitCode: 143, Why: "CANCELLED"}, "shard 1 was canceled"},
	} {
		if got := Describe(c.failed); got != c.expected {
			t.Errorf("got %q, expected %q", got, c.expected)
		}
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shards   []int
		limit    int
		expected string
	}{
		{nil, 4, ""},
		{[]int{0}, 4, "0:0"},
		{[]int{3, 0, 1, 9}, 4, "0:0-1,3 8:1"},
		{[]int{0, 1, 2, 3, 4, 5, 6, 7, 8}, 4, "0:0-3 4:0-3 8:0"},
		{[]int{0, 1, 2}, 1, "0:0 1:0 2:0"},
	} {
		var got []string
		for _, b := range blocks(c.shards, c.limit) {
			got = append(got, fmt.Sprintf("%d:%s", b.offset, display.Ranges(b.indices)))
		}
		if strings.Join(got, " ") != c.expected {
			t.Errorf("blocks(%v, %d) = %v, expected %q", c.shards, c.limit, got, c.expected)
		}
	}
}

func TestMayPass(t *testing.T) {
	t.Parallel()
	for code, may := range map[int]bool{
		1: false, 3: false, 4: false, 64: false, 65: false, 66: false, 70: false, 73: false, 76: false, 77: false, 78: false,
		2: true, 69: true, 74: true, 75: true, 130: true, 137: true, 143: true, LostNode: true,
	} {
		if MayPass(code) != may {
			t.Errorf("MayPass(%d) = %v", code, !may)
		}
	}
}

// A shard that was given up before its submission died is counted once when the array is looked at again.
func TestLookCountsOnce(t *testing.T) {
	t.Parallel()
	a := record.Array{Name: "a", ID: "1", Indices: []int{0}}
	work := &fakeWork{shards: 1, parts: map[int]bool{}}
	engine := &fakeEngine{codes: map[int][]int{0: {78}}, output: work, arrays: map[string]record.Array{"1": a}, looked: map[string]int{"1": 1}}
	var seen Progress
	s := &Submission{
		Engine: engine, Work: work, Command: Command{Count: 1}, Record: &record.Submission{Rounds: []record.Round{{Arrays: []record.Array{a}}}},
		Seen: func(p Progress) { seen = p },
	}
	given := map[int]record.FailedShard{0: {ExitCode: 78}}
	if over, err := s.look(t.Context(), map[int]Task{}, given); !over || err != nil || seen.Done != 0 || seen.Failed != 1 {
		t.Errorf("%+v, over %v, %v", seen, over, err)
	}
}
