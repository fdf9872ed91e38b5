package slots

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
)

const (
	// Version is that of the layout of slots, as ScoreRequest.shared describes it.
	Version = 2
	// Variable is the name of the variable in the environment of workers that describes the memory.
	Variable = "GRAPHSCORE_MEMORY"
	// HeaderBytes is the size of the header of a slot: the number of its use, then zeros.
	HeaderBytes = 64

	alignment = 64 // of columns: a line of the cache
	page      = 4096
	granule   = 64 << 10 // of the slots of giants: pages of any system
)

// Config says what memory to make.
type Config struct {
	// Slots is how many there are, at least 1.
	Slots int
	// SlotBytes is the size of a slot with its header. It is rounded up to whole pages. Untouched slots take no memory.
	SlotBytes int64
	// Giants is how many slots there are for requests that are larger. There are none where no file may be so large
	// (ulimit -f). Default: none.
	Giants int
	// GiantBytes is the most that the slot of a giant has room for, with its header; it takes memory only while it is in use,
	// and only what is needed. It is rounded up to 64 KiB.
	GiantBytes int64
	// GiantMemory bounds the memory of all slots of giants, in bytes.
	GiantMemory int64
}

func (c Config) valid() bool {
	return c.Slots >= 1 && c.SlotBytes > HeaderBytes && c.SlotBytes <= math.MaxInt64/4/int64(c.Slots) && c.Giants >= 0 &&
		(c.Giants == 0 || c.GiantBytes > HeaderBytes && c.GiantBytes <= math.MaxInt64/4/int64(c.Giants))
}

// Memory is the slots of a pool. It is safe for concurrent use.
type Memory struct {
	file      *os.File
	size      int64 // of a slot
	giantSize int64 // of the slot of a giant

	mu      sync.Mutex
	data    []byte // all slots but those of giants, nil once it is not mapped any more
	slots   []slot // those of giants come last
	small   area
	giants  area
	emptied []int // slots of giants that are to be emptied, and are free then
	number  uint64
	inUse   int // uses whose call has not ended
	refused string
	closed  bool
}

type slot struct {
	use   *Use  // nil where it is free
	ready int64 // bytes whose pages are allocated. It belongs to who has taken the slot
}

// area is the slots of one kind, which are weighed: those of giants in bytes, each of the others as 1.
type area struct {
	from, to int
	free     []int // the one freed last is taken first: it is in the caches
	of       int64 // the most that may be in use
	used     int64
	ended    int64 // held by calls that have ended
}

func newArea(from, count int, of int64) area {
	a := area{from: from, to: from + count, of: of}
	for i := range count {
		a.free = append(a.free, from+count-1-i)
	}
	return a
}

// ErrNotLinux is the error of Create on a system that has no such memory, however it is set up.
var ErrNotLinux = errors.New("it needs Linux")

// Create makes the memory. It fails with ErrNotLinux elsewhere, and where the system refuses to make, allocate or map it. The
// caller closes it once all workers have ended.
func Create(cfg Config) (*Memory, error) {
	if !cfg.valid() {
		return nil, fmt.Errorf("%d slots of %d bytes and %d of %d are no memory", cfg.Slots, cfg.SlotBytes, cfg.Giants, cfg.GiantBytes)
	}
	if limit := fileLimit(); limit < uint64(cfg.Slots)*uint64(rounded(cfg.SlotBytes, page))+uint64(cfg.Giants)*uint64(rounded(cfg.GiantBytes, granule))+granule {
		cfg.Giants = 0
	}
	m := &Memory{
		size: rounded(cfg.SlotBytes, page), giantSize: rounded(cfg.GiantBytes, granule), slots: make([]slot, cfg.Slots+cfg.Giants),
		small: newArea(0, cfg.Slots, int64(cfg.Slots)), giants: newArea(cfg.Slots, cfg.Giants, cfg.GiantMemory),
	}
	var err error
	if m.file, m.data, err = create(m.Offset(len(m.slots)), m.size*int64(cfg.Slots)); err != nil {
		return nil, err
	}
	return m, nil
}

func rounded(n, to int64) int64 { return (n + to - 1) / to * to }

// Offset is where a slot begins in the file.
func (m *Memory) Offset(slot int) int64 {
	if slot < m.small.to {
		return int64(slot) * m.size
	}
	return rounded(int64(m.small.to)*m.size, granule) + int64(slot-m.small.to)*m.giantSize
}

// File is what workers inherit. It stays the memory's.
func (m *Memory) File() *os.File { return m.file }

// Slots is how many there are, without those of giants.
func (m *Memory) Slots() int { return m.small.to }

// SlotBytes is the size of a slot with its header.
func (m *Memory) SlotBytes() int64 { return m.size }

// Giants is how many slots of giants there are: their numbers follow those of the others.
func (m *Memory) Giants() int { return m.giants.to - m.giants.from }

// GiantBytes is the most that the slot of a giant has room for, with its header.
func (m *Memory) GiantBytes() int64 { return m.giantSize }

// Environment is Variable for a worker that inherits the file as that descriptor: version, descriptor, slots, their size,
// slots of giants, their size.
func (m *Memory) Environment(descriptor int) string {
	return fmt.Sprintf("%s=%d %d %d %d %d %d", Variable, Version, descriptor, m.Slots(), m.size, m.Giants(), m.giantSize)
}

// Refuse ends the use of the memory: from now on nothing is taken. It reports whether it is the first to do so, and keeps
// the reason of that.
func (m *Memory) Refuse(reason string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused != "" {
		return false
	}
	m.refused = reason
	return true
}

// Refused is why nothing is taken any more, "" where something may be.
func (m *Memory) Refused() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused
}

// Need is the size of a slot that has room for columns of those lengths, in bytes.
func Need(lengths ...int64) int64 {
	need := int64(HeaderBytes)
	for _, n := range lengths {
		need += aligned(n)
	}
	return need
}

func aligned(n int64) int64 { return rounded(n, alignment) }

// Take takes a slot with room for so many bytes, as Need counts them, or returns nil: where none is free, it is too
// small, its pages cannot be allocated, or the memory was refused or closed. What a slot has no room for takes that of a
// giant. Where none is free, processes that hold half of the slots for calls that have ended are replaced. The caller must
// End or Abandon the use.
func (m *Memory) Take(need int64) *Use {
	u, stuck := m.take(need)
	for _, h := range stuck {
		h.replace()
	}
	if u == nil || need <= m.slots[u.slot].ready {
		return u
	}
	ready := &m.slots[u.slot].ready
	end := rounded(need, page) // at most the size, which is whole pages
	err := allocate(m.file, m.Offset(u.slot)+*ready, end-*ready)
	if err == nil || u.area == &m.giants { // some of its pages may be there
		*ready = end
	}
	if err == nil {
		err = u.begin()
	}
	if err != nil {
		u.End()
		return nil
	}
	return u
}

// take returns a slot, or nil and the holders to replace.
func (m *Memory) take(need int64) (*Use, []*Holder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, weight := &m.small, int64(1)
	if need > m.size {
		a, weight = &m.giants, rounded(need, page)
	}
	if m.closed || m.refused != "" || weight > a.of || need > m.size && need > m.giantSize {
		return nil, nil
	}
	if len(a.free) == 0 || a.used+weight > a.of {
		return nil, m.crowded(a)
	}
	i := a.free[len(a.free)-1]
	a.free = a.free[:len(a.free)-1]
	a.used += weight
	m.number++
	m.inUse++
	u := &Use{memory: m, slot: i, number: m.number, area: a, weight: weight, end: need, at: HeaderBytes}
	if a == &m.small {
		from := int64(i) * m.size
		u.bytes = m.data[from : from+need : from+need]
	}
	m.slots[i].use = u
	if need <= m.slots[i].ready {
		_ = u.begin() // it is mapped
	}
	return u, nil
}

// Close ends the use of the memory. It is unmapped when the last call has ended; uses that workers hold do not count.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	err := m.file.Close()
	if m.inUse == 0 {
		err = errors.Join(err, m.unmap())
	}
	return err
}

// unmap is called with the lock held.
func (m *Memory) unmap() error {
	data := m.data
	m.data = nil
	return unmap(data)
}

// clear empties the header of a slot. It is called with the lock held.
func (m *Memory) clear(u *Use) {
	switch {
	case m.slots[u.slot].ready == 0:
	case u.area == &m.giants:
		_, _ = m.file.WriteAt(make([]byte, 8), m.Offset(u.slot)) // no correctness rests on it
	case m.data != nil:
		binary.LittleEndian.PutUint64(m.data[int64(u.slot)*m.size:], 0)
	}
}

// settle frees a slot where nobody has it any more. It is called with the lock held.
func (m *Memory) settle(u *Use) {
	if !u.ended || len(u.holders) > 0 || u.strays > 0 || u.settled {
		return
	}
	u.settled = true
	if u.counted {
		u.area.ended -= u.weight
	}
	if u.area == &m.giants {
		m.emptied = append(m.emptied, u.slot)
		return
	}
	m.release(u)
}

// release is called with the lock held.
func (m *Memory) release(u *Use) {
	m.slots[u.slot].use = nil
	u.area.used -= u.weight
	u.area.free = append(u.area.free, u.slot)
}

// unlock gives back the lock, and the memory of giants that were settled: outside of it, as that takes time.
func (m *Memory) unlock() {
	emptied := m.emptied
	m.emptied = nil
	m.mu.Unlock()
	for _, i := range emptied {
		s := &m.slots[i]
		if s.ready > 0 && empty(m.file, m.Offset(i), m.giantSize) != nil {
			continue // it is out of use, as its memory is
		}
		m.mu.Lock()
		s.ready = 0
		m.release(s.use)
		m.mu.Unlock()
	}
}

// crowded returns the holders to replace where half of the slots are held by calls that have ended, each once. It is
// called with the lock held.
func (m *Memory) crowded(a *area) []*Holder {
	if 2*a.ended < a.of {
		return nil
	}
	var stuck []*Holder
	for i := a.from; i < a.to; i++ {
		u := m.slots[i].use
		if u == nil || !u.ended {
			continue
		}
		for _, h := range u.holders {
			if !h.asked {
				h.asked = true
				stuck = append(stuck, h)
			}
		}
	}
	return stuck
}
