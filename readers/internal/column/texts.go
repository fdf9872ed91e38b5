package column

import "slices"

// Texts are byte strings back to back: text i is Data[Offsets[i]:Offsets[i+1]].
type Texts struct {
	Data    []byte
	Offsets []uint32
}

// Len is the number of texts.
func (t *Texts) Len() int { return len(t.Offsets) - 1 }

func (t *Texts) size() int       { return len(t.Data) + 4*len(t.Offsets) }
func (t *Texts) bytes(n int) int { return int(t.Offsets[n]) + 4*n }

// AddNull ends a text where Data ends: an empty one, or what was appended to Data.
func (t *Texts) AddNull() { t.Offsets = append(t.Offsets, uint32(len(t.Data))) }

// At returns text i. It is part of Data.
func (t *Texts) At(i int) []byte {
	return t.Data[t.Offsets[i]:t.Offsets[i+1]]
}

// Add appends a copy of v.
func (t *Texts) Add(v []byte) {
	t.Data = append(t.Data, v...)
	t.Offsets = append(t.Offsets, uint32(len(t.Data)))
}

func (t *Texts) aimAt(int)     {}
func (t *Texts) room() int     { return cap(t.Data) - len(t.Data) }
func (t *Texts) reserve(k int) { t.Data = reserved(t.Data, k) }

// lend takes k texts from the front, and leaves them the memory.
func (t *Texts) lend(k int) {
	cut := t.Offsets[k]
	t.Data, t.Offsets = slices.Clone(t.Data[cut:]), slices.Clone(t.Offsets[k:])
	for i := range t.Offsets {
		t.Offsets[i] -= cut
	}
}

func (t *Texts) drop(k int) {
	cut := t.Offsets[k]
	t.Data = t.Data[:copy(t.Data, t.Data[cut:])]
	t.Offsets = t.Offsets[:copy(t.Offsets, t.Offsets[k:])]
	for i := range t.Offsets {
		t.Offsets[i] -= cut
	}
}
