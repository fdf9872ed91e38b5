package column

// Texts are byte strings back to back: i is b[off[i]:off[i+1]].
type Texts struct {
	Data    []byte
	Offsets []uint32
}

func (t *Texts) Len() int         { return len(t.Offsets) - 1 }
func (t *Texts) Size() int        { return len(t.Data) + 4*len(t.Offsets) }
func (t *Texts) SizeOf(n int) int { return int(t.Offsets[n]) + 4*n }
func (t *Texts) AddNull()         { t.Offsets = append(t.Offsets, uint32(len(t.Data))) }
func (t *Texts) At(i int) []byte {
	return t.Data[t.Offsets[i]:t.Offsets[i+1]]
}

func (t *Texts) Add(v []byte) {
	t.Data = append(t.Data, v...)
	t.Offsets = append(t.Offsets, uint32(len(t.Data)))
}

func (t *Texts) Drop(k int) {
	cut := t.Offsets[k]
	t.Data = t.Data[:copy(t.Data, t.Data[cut:])]
	t.Offsets = t.Offsets[:copy(t.Offsets, t.Offsets[k:])]
	for i := range t.Offsets {
		t.Offsets[i] -= cut
	}
}
