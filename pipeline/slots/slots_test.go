//go:build linux

package slots

import (
	"encoding/binary"
	"math"
	"net"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fatal is what tests and properties have in common.
type fatal interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func made(t fatal, count int, size int64) *Memory {
	t.Helper()
	m, err := Create(Config{Slots: count, SlotBytes: size})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func closed(t fatal, m *Memory) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHeldByWorkers: whatever happens in whatever order, a slot is handed out only where no worker that was sent it has
// neither answered nor gone, numbers never come again, and none is lost.
func TestHeldByWorkers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{m: made(t, rapid.IntRange(1, 5).Draw(t, "slots"), 1000)}
		defer func() { closed(t, w.m) }()
		for range 3 {
			w.born()
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": w.take,
			"send": func(t *rapid.T) {
				if c := w.call(t, func(c *call) bool { return !c.ended }); c != nil {
					to := rapid.SampledFrom(w.workers).Draw(t, "worker")
					c.use.Sent(to.holder)
					c.held[to] = !to.gone
				}
			},
			"answer": func(t *rapid.T) {
				if c := w.call(t, func(c *call) bool { return !c.ended && len(c.held) > 0 }); c != nil {
					by := rapid.SampledFrom(w.workers).Draw(t, "worker")
					c.use.Answered(by.holder)
					delete(c.held, by)
				}
			},
			"end": func(t *rapid.T) {
				if c := w.call(t, func(c *call) bool { return !c.ended }); c != nil {
					c.ended = true
					c.use.End()
					c.use.End()
				}
			},
			"die": func(t *rapid.T) {
				i := rapid.IntRange(0, len(w.workers)-1).Draw(t, "worker")
				dead := w.workers[i]
				dead.gone = true
				dead.holder.Gone()
				for _, c := range w.calls {
					delete(c.held, dead)
				}
				w.workers = slices.Delete(w.workers, i, i+1)
				w.born()
			},
			"": w.check,
		})
		w.finish(t)
	})
}

// world is what should be so.
type world struct {
	m       *Memory
	workers []*worker
	calls   []*call
	last    uint64
}

type worker struct {
	holder   *Holder
	gone     bool
	replaced int
}

type call struct {
	use   *Use
	held  map[*worker]bool
	ended bool
}

func (c *call) has() bool { return !c.ended || slices.Contains(values(c.held), true) }

func values(m map[*worker]bool) (list []bool) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

func (w *world) born() {
	n := new(worker)
	n.holder = w.m.Join(func() { n.replaced++ })
	w.workers = append(w.workers, n)
}

func (w *world) call(t *rapid.T, want func(*call) bool) *call {
	var some []*call
	for _, c := range w.calls {
		if want(c) {
			some = append(some, c)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return rapid.SampledFrom(some).Draw(t, "call")
}

func (w *world) take(t *rapid.T) {
	use := w.m.Take(100)
	busy := map[int]bool{}
	for _, c := range w.calls {
		if c.has() {
			busy[c.use.Slot()] = true
		}
	}
	switch {
	case use == nil && len(busy) < w.m.Slots():
		t.Fatalf("no slot is free, though only %d of %d are in use", len(busy), w.m.Slots())
	case use == nil:
		return
	case busy[use.Slot()]:
		t.Fatalf("slot %d is handed out, though a call or a worker has it", use.Slot())
	case use.Number() <= w.last:
		t.Fatalf("number %d comes after %d", use.Number(), w.last)
	}
	w.last = use.Number()
	if _, place := use.Place(8); binary.LittleEndian.Uint64(use.bytes) != use.Number() {
		t.Fatalf("the header has %x", place)
	}
	w.calls = append(w.calls, &call{use: use, held: map[*worker]bool{}})
}

// check: where half of the slots are held by calls that have ended, each worker that holds one is asked to end, once.
func (w *world) check(t *rapid.T) {
	ended, of := 0, map[*worker]bool{}
	for _, c := range w.calls {
		if c.ended && c.has() {
			ended++
			for holder, holds := range c.held {
				of[holder] = of[holder] || holds
			}
		}
	}
	for _, x := range w.workers {
		if x.replaced > 1 {
			t.Fatalf("a worker is replaced %d times", x.replaced)
		}
		if 2*ended >= w.m.Slots() && ended > 0 && of[x] && x.replaced == 0 {
			t.Fatalf("%d of %d slots are held by calls that have ended, and a worker that holds one is not replaced", ended, w.m.Slots())
		}
	}
}

// finish: when all calls have ended and all workers have gone, every slot is free.
func (w *world) finish(t *rapid.T) {
	for _, c := range w.calls {
		c.use.End()
	}
	for _, x := range w.workers {
		x.holder.Gone()
	}
	for range w.m.Slots() {
		use := w.m.Take(100)
		if use == nil {
			t.Fatal("a slot is lost")
		}
		defer use.End()
	}
	if w.m.Take(100) != nil {
		t.Fatal("there are more slots than were made")
	}
}

// TestSentToAStray: a process that nobody waits for keeps its slot for ever.
func TestSentToAStray(t *testing.T) {
	t.Parallel()
	m := made(t, 1, 1000)
	defer closed(t, m)
	use := m.Take(100)
	use.Sent(nil)
	use.Answered(nil)
	use.End()
	if m.Take(100) != nil {
		t.Error("the slot is handed out again")
	}
}

// TestAbandoned: a call that nobody waits for has no process replaced, until its slot is wanted.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	m := made(t, 2, 1000)
	defer closed(t, m)
	replaced := 0
	worker := m.Join(func() { replaced++ })
	for range m.Slots() {
		use := m.Take(100)
		use.Sent(worker)
		use.Abandon()
		use.End()
	}
	if replaced != 0 {
		t.Errorf("%d workers are replaced though nobody wants a slot", replaced)
	}
	if m.Take(100) != nil || replaced != 1 {
		t.Errorf("%d workers are replaced where no slot is free", replaced)
	}
	worker.Gone()
	use := m.Take(100)
	if use == nil {
		t.Fatal("a slot is lost")
	}
	use.End()
}

// TestSentToTheDead: what is sent to a process that was waited for reaches nobody.
func TestSentToTheDead(t *testing.T) {
	t.Parallel()
	m := made(t, 1, 1000)
	defer closed(t, m)
	dead := m.Join(func() { t.Error("a process that has gone is replaced") })
	dead.Gone()
	use := m.Take(100)
	use.Sent(dead)
	use.End()
	if again := m.Take(100); again == nil {
		t.Error("the slot is not free")
	} else {
		again.End()
	}
}

func TestNothingToTake(t *testing.T) {
	t.Parallel()
	m := made(t, 2, 1000)
	if got := m.SlotBytes(); got != page {
		t.Errorf("a slot has %d bytes, not a whole page", got)
	}
	if m.Take(m.SlotBytes()+1) != nil {
		t.Error("more is taken than a slot has")
	}
	use := m.Take(m.SlotBytes())
	if !m.Refuse("first") || m.Refuse("second") || m.Refused() != "first" {
		t.Errorf("refused because of %q", m.Refused())
	}
	if m.Take(100) != nil {
		t.Error("refused memory is handed out")
	}
	closed(t, m)
	_, place := use.Place(100)
	place[99] = 1 // it is mapped until the call has ended
	use.End()
	closed(t, m)
	if m.Take(100) != nil {
		t.Error("closed memory is handed out")
	}
	for _, bad := range []Config{{}, {Slots: 1, SlotBytes: HeaderBytes}, {Slots: -1, SlotBytes: 1000}, {Slots: 1 << 20, SlotBytes: math.MaxInt64 / 4}} {
		if _, err := Create(bad); err == nil {
			t.Errorf("%+v is memory", bad)
		}
	}
}

// TestSeals: nobody can truncate or grow the memory, whose readers would end by SIGBUS.
func TestSeals(t *testing.T) {
	t.Parallel()
	m := made(t, 2, 1000)
	defer closed(t, m)
	for _, size := range []int64{0, page, 3 * page} {
		if err := unix.Ftruncate(int(m.File().Fd()), size); err != unix.EPERM {
			t.Errorf("truncating it to %d bytes: %v", size, err)
		}
	}
}

func TestHolderOf(t *testing.T) {
	t.Parallel()
	m := made(t, 1, 1000)
	defer closed(t, m)
	here, there := net.Pipe()
	defer there.Close()
	h := m.Join(nil)
	c := h.Conn(here)
	defer c.Close()
	if HolderOf(c.RemoteAddr()) != h || HolderOf(here.RemoteAddr()) != nil || HolderOf(nil) != nil {
		t.Error("the process at the other end is not known")
	}
	if c.RemoteAddr().String() != here.RemoteAddr().String() {
		t.Errorf("address %v", c.RemoteAddr())
	}
}

// TestManyCalls is for the race detector: calls write what only they may, and read it back.
func TestManyCalls(t *testing.T) {
	t.Parallel()
	m := made(t, 4, 1000)
	defer closed(t, m)
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			for k := range 200 {
				h := m.Join(func() {})
				use := m.Take(Need(8))
				if use == nil {
					continue
				}
				_, place := use.Place(8)
				want := uint64(i*1000 + k)
				binary.LittleEndian.PutUint64(place, want)
				use.Sent(h)
				if binary.LittleEndian.Uint64(place) != want || binary.LittleEndian.Uint64(use.bytes) != use.Number() {
					return os.ErrInvalid
				}
				if k%2 == 0 {
					use.Answered(h)
				}
				use.End()
				h.Gone()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
