package parquet

import (
	"slices"

	"graphscore/readers/internal/column"
)

// Hint takes from the schema in Arrow what types say beyond those of Parquet: lists of a fixed size, UUIDs, tensors.
// A field counts where it is stored as the column is: the file may have been rewritten since. read decodes the schema, once
// for all files that have the same; one that is damaged says nothing.
func (p *File) Hint(read func(schema []byte) ([]column.Field, error)) {
	h := p.footer.head
	h.hint.Do(func() {
		h.hinted = slices.Clone(h.cols)
		if h.arrow == nil {
			return
		}
		if arrow, err := read(h.arrow); err == nil {
			hint(h.hinted, arrow)
		}
	})
	p.cols = h.hinted
}

// hint changes columns as [File.Hint] has it.
func hint(cols, arrow []column.Field) {
	for i := range cols {
		f := &cols[i]
		if i >= len(arrow) || arrow[i].Name != f.Name || arrow[i].Depth != f.Depth || !f.Leaf.Number() && !f.Leaf.Bytes() {
			continue
		}
		a := &arrow[i]
		switch {
		case f.Leaf.Bytes():
			if a.UUID && f.Fixed {
				f.UUID, f.Fixed, f.Type = true, false, a.Type
			}
		case a.Tensor:
			f.Hint, f.Type = a.Hint, a.Type
			if a.Leaf == column.LeafOther {
				f.Leaf = column.LeafOther
			}
		default:
			f.Pairs, f.TwoLists = a.Pairs, a.TwoLists
		}
	}
}
