package parquet

import (
	"encoding/base64"

	"graphscore/readers/internal/column"
)

// ArrowSchema returns the schema that the writer had in Arrow, nil where the file does not have it.
func (p *File) ArrowSchema() []byte {
	value := p.meta.KeyValueMetadata().FindValue("ARROW:schema")
	if value == nil {
		return nil
	}
	schema, err := base64.StdEncoding.DecodeString(*value)
	if err != nil {
		return nil
	}
	return schema
}

// Hint takes from the schema in Arrow what types say beyond those of Parquet: lists of a fixed size, UUIDs, tensors.
// A field counts where it is stored as the column is: the file may have been rewritten since.
func (p *File) Hint(arrow []column.Field) {
	for i := range p.cols {
		f := &p.cols[i]
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
