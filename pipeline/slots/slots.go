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
	Version = 1
	// Variable is the name of the variable in the environment of workers that describes the memory.
	Variable = "GRAPHSCORE_MEMORY"
	// HeaderBytes is the size of the header of a slot: the number of its use, then zeros.
	HeaderBytes = 64

	alignment = 64 // of columns: a line of the cache
	page      = 4096
)

// Config says what memory to make.
type Config struct {
	// Slots is how many there are, at least 1.
	Slots int
	// SlotBytes is the size of a slot with its header. It is rounded up to whole pages. Untouched slots take no memory.
	SlotBytes int64
}

// Memory is the slots of a pool. It is safe for concurrent use.
type Memory struct {
	size int64
	file *os.File

	mu      sync.Mutex
	data    []byte // nil once it is not mapped any more
	slots   []slot
	free    []int // the one freed last is taken first: it is in the caches
	number  uint64
	inUse   int // uses whose call has not ended
	ended   int // slots held by calls that have ended
	refused string
	closed  bool
}

type slot struct {
	use   *Use  // nil where it is free
	ready int64 // bytes whose pages are allocated. It belongs to who has taken the slot
}

// Create makes the memory. It fails on systems without memfd, and where it cannot be mapped. The caller closes it once
// all workers have ended.
func Create(cfg Config) (*Memory, error) {
	if cfg.Slots < 1 || cfg.SlotBytes <= HeaderBytes || cfg.SlotBytes > math.MaxInt64/2/int64(cfg.Slots) {
		return nil, fmt.Errorf("%d slots of %d bytes are no memory", cfg.Slots, cfg.SlotBytes)
	}
	m := &Memory{size: (cfg.SlotBytes + page - 1) / page * page, slots: make([]slot, cfg.Slots)}
	var err error
	if m.file, m.data, err = create(m.size * int64(cfg.Slots)); err != nil {
		return nil, err
	}
	for i := range m.slots {
		m.free = append(m.free, len(m.slots)-1-i)
	}
	return m, nil
}

// File is what workers inherit. It stays the memory's.
func (m *Memory) File() *os.File { return m.file }

// Slots is how many there are.
func (m *Memory) Slots() int { return len(m.slots) }

// SlotBytes is the size of a slot with its header.
func (m *Memory) SlotBytes() int64 { return m.size }

// Environment is Variable for a worker that inherits the file as that descriptor: version, descriptor, slots, size.
func (m *Memory) Environment(descriptor int) string {
	return fmt.Sprintf("%s=%d %d %d %d", Variable, Version, descriptor, len(m.slots), m.size)
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

func aligned(n int64) int64 { return (n + alignment - 1) / alignment * alignment }

// Take takes a slot with room for so many bytes, as Need counts them, or returns nil: where none is free, it is too
// small, its pages cannot be allocated, or the memory was refused or closed. Where none is free, processes that hold half
// of the slots for calls that have ended are replaced. The caller must End or Abandon the use.
func (m *Memory) Take(need int64) *Use {
	u, stuck := m.take(need)
	for _, h := range stuck {
		h.replace()
	}
	if u == nil || need <= m.slots[u.slot].ready {
		return u
	}
	ready := &m.slots[u.slot].ready
	end := (need + page - 1) / page * page // at most the size, which is whole pages
	if allocate(m.file, int64(u.slot)*m.size+*ready, end-*ready) != nil {
		u.End()
		return nil
	}
	*ready = end
	u.begin()
	return u
}

// take returns a slot, or nil and the holders to replace.
func (m *Memory) take(need int64) (*Use, []*Holder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.refused != "" || need > m.size {
		return nil, nil
	}
	if len(m.free) == 0 {
		return nil, m.crowded()
	}
	i := m.free[len(m.free)-1]
	m.free = m.free[:len(m.free)-1]
	m.number++
	m.inUse++
	from := int64(i) * m.size
	u := &Use{memory: m, slot: i, number: m.number, bytes: m.data[from : from+need : from+need], at: HeaderBytes}
	m.slots[i].use = u
	if need <= m.slots[i].ready {
		u.begin()
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
func (m *Memory) clear(i int) {
	if m.data != nil && m.slots[i].ready > 0 {
		binary.LittleEndian.PutUint64(m.data[int64(i)*m.size:], 0)
	}
}

// settle frees a slot where nobody has it any more. It is called with the lock held.
func (m *Memory) settle(u *Use) {
	if !u.ended || len(u.holders) > 0 || u.strays > 0 || m.slots[u.slot].use != u {
		return
	}
	m.slots[u.slot].use = nil
	m.free = append(m.free, u.slot)
	if u.counted {
		m.ended--
	}
}

// crowded returns the holders to replace where half of the slots are held by calls that have ended, each once. It is
// called with the lock held.
func (m *Memory) crowded() []*Holder {
	if 2*m.ended < len(m.slots) {
		return nil
	}
	var stuck []*Holder
	for i := range m.slots {
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
