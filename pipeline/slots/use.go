package slots

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"
)

// Use is a slot in the hands of one call. Put, Leave and Get belong to the goroutine of that call, until End; the other
// methods are safe for concurrent use.
type Use struct {
	memory *Memory
	area   *area
	slot   int
	number uint64
	weight int64
	bytes  []byte // nil where it is that of a giant, which is not mapped here
	at     int64  // where the next column begins ...
	end    int64  // ... and the slot ends

	// What follows belongs to the lock of the memory.

	holders []*Holder
	strays  int  // processes that nobody waits for: the slot is never free again
	ended   bool // the call has
	counted bool // among those that are held by calls that have ended
	settled bool // nobody has it any more
}

// Slot is which one it is, from 0.
func (u *Use) Slot() int { return u.slot }

// Number is that of this use.
func (u *Use) Number() uint64 { return u.number }

// begin writes the number into the header.
func (u *Use) begin() error {
	if u.bytes != nil {
		binary.LittleEndian.PutUint64(u.bytes, u.number)
		return nil
	}
	_, err := u.memory.file.WriteAt(binary.LittleEndian.AppendUint64(nil, u.number), u.memory.Offset(u.slot))
	return err
}

// Put copies a column into the slot, and returns where it begins there. There must be room, as Need counted it. After an
// error, which only the slot of a giant has, the slot cannot be used.
func (u *Use) Put(column []byte) (offset int64, err error) {
	offset = u.Leave(int64(len(column)))
	if u.bytes != nil {
		copy(u.bytes[offset:], column)
		return offset, nil
	}
	_, err = u.memory.file.WriteAt(column, u.memory.Offset(u.slot)+offset)
	return offset, err
}

// Leave leaves n bytes for what a process is to write, and returns where they begin in the slot. There must be room, as Need
// counted it.
func (u *Use) Leave(n int64) (offset int64) {
	offset = u.at
	u.at += aligned(n)
	if offset+n > u.end {
		panic(fmt.Sprintf("slots: %d bytes at %d are beyond the end of a slot of %d", n, offset, u.end))
	}
	return offset
}

// Get returns a copy of n bytes of the slot. An error, which only the slot of a giant has, is one of reading.
func (u *Use) Get(offset, n int64) ([]byte, error) {
	out := make([]byte, n)
	if u.bytes != nil {
		copy(out, u.bytes[offset:offset+n])
		return out, nil
	}
	_, err := u.memory.file.ReadAt(out, u.memory.Offset(u.slot)+offset)
	return out, err
}

// Sent records that a process may have been sent the slot. nil is a process that nobody waits for: the slot is then never
// free again.
func (u *Use) Sent(to *Holder) {
	u.memory.mu.Lock()
	defer u.memory.mu.Unlock()
	switch {
	case to == nil:
		u.strays++
	case !to.gone && !slices.Contains(u.holders, to):
		u.holders = append(u.holders, to)
	}
}

// Answered records that a process has answered the call, and touches the slot no more.
func (u *Use) Answered(by *Holder) {
	u.memory.mu.Lock()
	defer u.memory.unlock()
	u.remove(by)
	u.memory.settle(u)
}

// remove is called with the lock held.
func (u *Use) remove(h *Holder) {
	u.holders = slices.DeleteFunc(u.holders, func(other *Holder) bool { return other == h })
}

// End ends the call: its goroutine does not use the memory any more. The slot is free once no process has it. Where
// half of the slots are held by calls that have ended, the processes that hold them are replaced; those of giants not before
// another is wanted. A second End does nothing.
func (u *Use) End() { u.memory.end(u, u.area == &u.memory.small) }

// Abandon is End where nobody waits for the call any more, as at the end of a run: no process is replaced for it, as it
// was not given the time to answer. If the slots are wanted after all, Take replaces them.
func (u *Use) Abandon() { u.memory.end(u, false) }

func (m *Memory) end(u *Use, replacing bool) {
	for _, h := range m.finish(u, replacing) {
		h.replace()
	}
}

// finish returns the holders to replace.
func (m *Memory) finish(u *Use, replacing bool) []*Holder {
	m.mu.Lock()
	defer m.unlock()
	if u.ended {
		return nil
	}
	u.ended = true
	m.inUse--
	m.clear(u)
	if len(u.holders)+u.strays > 0 {
		u.counted = true
		u.area.ended += u.weight
	}
	m.settle(u)
	if m.closed && m.inUse == 0 && m.data != nil {
		_ = m.unmap() // the addresses are lost for this process, which is at its end
	}
	if !replacing {
		return nil
	}
	return m.crowded(u.area)
}

// Holder is a process that has mapped the memory, or may. It is safe for concurrent use.
type Holder struct {
	memory  *Memory
	replace func()
	gone    bool // these belong to the lock of the memory
	asked   bool // to be replaced
}

// Join makes the holder of a process that begins. replace ends that process, without waiting for it; it is called at most
// once, from the goroutine of a call.
func (m *Memory) Join(replace func()) *Holder { return &Holder{memory: m, replace: replace} }

// Gone records that the process has been waited for: it touches no memory any more.
func (h *Holder) Gone() {
	m := h.memory
	m.mu.Lock()
	defer m.unlock()
	h.gone = true
	for i := range m.slots {
		if u := m.slots[i].use; u != nil {
			u.remove(h)
			m.settle(u)
		}
	}
}

// Conn returns a connection to the process, whose remote address [HolderOf] knows.
func (h *Holder) Conn(c net.Conn) net.Conn { return &conn{Conn: c, to: &address{c.RemoteAddr(), h}} }

type conn struct {
	net.Conn
	to net.Addr
}

func (c *conn) RemoteAddr() net.Addr { return c.to }

type address struct {
	net.Addr
	holder *Holder
}

// HolderOf is the process at the other end of a connection that [Holder.Conn] made, nil for another.
func HolderOf(remote net.Addr) *Holder {
	if a, is := remote.(*address); is {
		return a.holder
	}
	return nil
}
