//go:build linux

package slots

import (
	"bytes"
	"encoding/binary"
	"errors"
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
	return created(t, Config{Slots: count, SlotBytes: size})
}

func created(t fatal, cfg Config) *Memory {
	t.Helper()
	m, err := Create(cfg)
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
		w := &world{m: created(t, Config{
			Slots: rapid.IntRange(1, 5).Draw(t, "slots"), SlotBytes: 1000,
			Giants: rapid.IntRange(0, 3).Draw(t, "giants"), GiantBytes: 3 * page, GiantMemory: giantMemory,
		})}
		defer func() { closed(t, w.m) }()
		for range 3 {
			w.born()
		}
		t.Repeat(map[string]func(*rapid.T){
			"take":  func(t *rapid.T) { w.take(t, 100) },
			"giant": func(t *rapid.T) { w.take(t, rapid.Int64Range(page+1, 4*page).Draw(t, "bytes")) },
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
	need  int64
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

// giantMemory is for two giants, or one.
const giantMemory = 5 * page

// pages is the pages of a giant, 0 for another.
func (c *call) pages() int64 {
	if c.need <= page {
		return 0
	}
	return rounded(c.need, page)
}

func (w *world) take(t *rapid.T, need int64) {
	use := w.m.Take(need)
	busy, giants, held := map[int]bool{}, 0, int64(0)
	for _, c := range w.calls {
		if !c.has() {
			continue
		}
		if busy[c.use.Slot()] = true; c.pages() > 0 {
			giants, held = giants+1, held+c.pages()
		}
	}
	next := &call{use: use, need: need, held: map[*worker]bool{}}
	free := len(busy)-giants < w.m.Slots()
	if next.pages() > 0 {
		free = giants < w.m.Giants() && held+next.pages() <= giantMemory && need <= w.m.GiantBytes()
	}
	switch {
	case (use != nil) != free:
		t.Fatalf("%v for %d bytes, though %v of them and %d bytes of giants are in use", use, need, busy, held)
	case use == nil:
		return
	case busy[use.Slot()]:
		t.Fatalf("slot %d is handed out, though a call or a worker has it", use.Slot())
	case use.Number() <= w.last:
		t.Fatalf("number %d comes after %d", use.Number(), w.last)
	}
	w.last = use.Number()
	if found := header(t, w.m, use); found != use.Number() {
		t.Fatalf("the header has %d", found)
	}
	if next.pages() > 0 {
		held += next.pages()
		if _, err := use.Put(make([]byte, need-HeaderBytes)); err != nil {
			t.Fatal(err)
		}
	}
	w.calls = append(w.calls, next)
	if got, most := w.m.allocated(t), held+int64(w.m.Slots())*page; got > most {
		t.Fatalf("%d bytes are allocated, though giants in use need %d, and all else %d", got, held, most-held)
	}
}

// header is the number in the header of a slot, as a process reads it.
func header(t fatal, m *Memory, u *Use) uint64 {
	t.Helper()
	number := make([]byte, 8)
	if _, err := m.File().ReadAt(number, m.Offset(u.Slot())); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(number)
}

// allocated is the memory that the file takes.
func (m *Memory) allocated(t fatal) int64 {
	t.Helper()
	var found unix.Stat_t
	if err := unix.Fstat(int(m.File().Fd()), &found); err != nil {
		t.Fatal(err)
	}
	return found.Blocks * 512
}

// check: where half of the slots are held by calls that have ended, each worker that holds one is asked to end, once.
func (w *world) check(t *rapid.T) {
	ended, of := 0, map[*worker]bool{}
	for _, c := range w.calls {
		if c.ended && c.has() && c.pages() == 0 {
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
	for range w.m.Giants() {
		use := w.m.Take(page + 1)
		if use == nil {
			t.Fatal("the slot of a giant is lost")
		}
		use.End()
	}
	if got := w.m.allocated(t); got > int64(w.m.Slots())*page {
		t.Fatalf("%d bytes are allocated, though no giant is in use", got)
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
	if _, err := use.Put(make([]byte, 100)); err != nil { // it is mapped until the call has ended
		t.Error(err)
	}
	use.End()
	closed(t, m)
	if m.Take(100) != nil {
		t.Error("closed memory is handed out")
	}
	for _, bad := range []Config{{}, {Slots: 1, SlotBytes: HeaderBytes}, {Slots: -1, SlotBytes: 1000}, {Slots: 1 << 20, SlotBytes: math.MaxInt64 / 4},
		{Slots: 1, SlotBytes: 1000, Giants: -1}, {Slots: 1, SlotBytes: 1000, Giants: 1}, {Slots: 1, SlotBytes: 1000, Giants: 1 << 20, GiantBytes: math.MaxInt64 / 4}} {
		if _, err := Create(bad); err == nil {
			t.Errorf("%+v is memory", bad)
		}
	}
}

// TestGiantsThatAreStuck: giants of calls that have ended keep others from having memory, until one is wanted and they hold
// half of it: then their workers are replaced. What a process wrote is read back.
func TestGiantsThatAreStuck(t *testing.T) {
	t.Parallel()
	m := created(t, Config{Slots: 1, SlotBytes: 1000, Giants: 4, GiantBytes: 8 * page, GiantMemory: 8 * page})
	defer closed(t, m)
	replaced := 0
	worker := m.Join(func() { replaced++ })
	first := m.Take(5 * page)
	first.Sent(worker)
	first.End()
	if replaced != 0 {
		t.Errorf("%d workers are replaced though nobody wants the memory", replaced)
	}
	if number := header(t, m, first); number != 0 {
		t.Errorf("the header has %d when the call has ended", number)
	}
	second := m.Take(3 * page)
	if second == nil || second.Slot() == first.Slot() {
		t.Fatalf("%+v is taken beside %+v", second, first)
	}
	at := second.Leave(100)
	want := bytes.Repeat([]byte{7}, 100)
	if _, err := m.File().WriteAt(want, m.Offset(second.Slot())+at); err != nil {
		t.Fatal(err)
	}
	if got, err := second.Get(at, 100); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v was written, not %v (%v)", got, want, err)
	}
	second.End()
	if m.Take(4*page) != nil || replaced != 1 {
		t.Errorf("%d workers are replaced where there is no memory", replaced)
	}
	worker.Gone()
	third := m.Take(8 * page)
	if third == nil {
		t.Fatal("memory is lost")
	}
	if got := m.allocated(t); got != 8*page {
		t.Errorf("%d bytes are allocated for 8 pages", got)
	}
	third.Abandon()
	if got := m.allocated(t); got != 0 {
		t.Errorf("%d bytes are allocated for nothing", got)
	}
}

// TestGiantsOfClosedMemory: calls go on when the memory is closed, and are told that there is none.
func TestGiantsOfClosedMemory(t *testing.T) {
	t.Parallel()
	m := created(t, Config{Slots: 1, SlotBytes: 1000, Giants: 1, GiantBytes: 2 * page, GiantMemory: 2 * page})
	use := m.Take(2 * page)
	closed(t, m)
	if _, err := use.Put(make([]byte, page)); err == nil {
		t.Error("a column is put into closed memory")
	}
	if _, err := use.Get(HeaderBytes, 8); err == nil {
		t.Error("closed memory is read")
	}
	use.End()
}

// TestSeals: nobody can truncate or grow the memory, whose readers would end by SIGBUS.
func TestSeals(t *testing.T) {
	t.Parallel()
	m := made(t, 2, 1000)
	defer closed(t, m)
	for _, size := range []int64{0, page, 1 << 20} {
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
	m := created(t, Config{Slots: 2, SlotBytes: 1000, Giants: 2, GiantBytes: 3 * page, GiantMemory: 5 * page})
	defer closed(t, m)
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			for k := range 200 {
				h := m.Join(func() {})
				use := m.Take(Need(8) + int64(k%2)*page)
				if use == nil {
					continue
				}
				want := binary.LittleEndian.AppendUint64(nil, uint64(i*1000+k))
				at, err := use.Put(want)
				if err != nil {
					return err
				}
				use.Sent(h)
				got, err := use.Get(at, 8)
				if err != nil || !bytes.Equal(got, want) || header(t, m, use) != use.Number() {
					return errors.Join(os.ErrInvalid, err)
				}
				if k%3 == 0 {
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
