package arrow

import (
	"encoding/json"
	"fmt"
	"strings"

	"graphscore/readers/internal/column"
)

// The extension types that are read as what they mean. Others are read as what they are stored as.
const (
	extensionUUID   = "arrow.uuid"
	extensionTensor = "arrow.fixed_shape_tensor"
)

// extension is what the metadata of a field say of its meaning.
type extension struct{ name, metadata string }

// extensionOf reads the metadata of a field.
func extensionOf(t fbTable) extension {
	const keyName, keyMetadata = "ARROW:extension:name", "ARROW:extension:metadata"
	var e extension
	_, n := t.vector(6, 4)
	for i := range n {
		kv := t.tables(6, i)
		switch kv.string(0) {
		case keyName:
			e.name = kv.string(1)
		case keyMetadata:
			e.metadata = kv.string(1)
		}
	}
	return e
}

// tensor is the metadata of a tensor of fixed shape.
type tensor struct {
	Shape       []int `json:"shape"`
	Permutation []int `json:"permutation"`
}

// shape returns the shape of a tensor, nil where it is not stored in the order of its shape or not known.
func (f *field) shape() []int {
	var t tensor
	if f.kind != typeFixedList || json.Unmarshal([]byte(f.ext.metadata), &t) != nil {
		return nil
	}
	product := 1
	for i, n := range t.Shape {
		if n <= 0 || n > f.size || product > f.size/n || t.Permutation != nil && (i >= len(t.Permutation) || t.Permutation[i] != i) {
			return nil
		}
		product *= n
	}
	if product != f.size {
		return nil
	}
	return t.Shape
}

// hints finds what the type of a column says beyond its lists and values.
func (f *field) hints(to *column.Field) {
	var levels []*field
	for at := f; ; {
		if at.isRuns() && !at.coded { // the values of runs are what the column holds
			at = &at.children[1]
			continue
		}
		levels = append(levels, at)
		if !at.isList() || at.coded {
			break
		}
		at = &at.children[0]
	}
	leaf := levels[len(levels)-1]
	to.UUID = leaf.ext.name == extensionUUID && leaf.kind == typeFixedBinary && leaf.size == 16
	to.Fixed = leaf.kind == typeFixedBinary && !to.UUID
	for i, l := range levels {
		if l.ext.name != extensionTensor {
			continue
		}
		to.Tensor = true
		switch shape := l.shape(); {
		case len(shape) == 1:
		case len(shape) == 2 && i == 0 && to.Depth == 1:
			to.Rows, to.Width = shape[0], shape[1]
		default: // the order of its values is not that of a list
			to.Leaf = column.LeafOther
		}
	}
	if to.Depth == 2 {
		outer, inner := levels[0].pair(), levels[1].pair()
		to.Pairs, to.TwoLists = inner && !outer, outer && !inner
	}
}

// pair says whether lists have two elements by their type.
func (f *field) pair() bool { return f.kind == typeFixedList && f.size == 2 }

// extensionName is the name of a type that means more than it is stored as, "" for others.
func (f *field) extensionName() string {
	switch {
	case f.ext.name == extensionUUID && f.kind == typeFixedBinary && f.size == 16:
		return "uuid"
	case f.ext.name != extensionTensor || !f.isList():
		return ""
	}
	shape := f.shape()
	if shape == nil {
		return fmt.Sprintf("fixed_shape_tensor<%s>[permuted]", f.children[0].typeName())
	}
	return fmt.Sprintf("fixed_shape_tensor<%s>%s", f.children[0].typeName(), strings.ReplaceAll(fmt.Sprint(shape), " ", ", "))
}

// ReadSchema describes the columns of a schema message, as Parquet files have it in their metadata.
func ReadSchema(message []byte) (fields []column.Field, err error) {
	err = column.Guard(func() error {
		const head = 8
		if len(message) < head || le.Uint32(message) != continuation {
			return column.Damaged("the Arrow schema is invalid")
		}
		root := rootTable(message[head:])
		t, ok := root.table(2)
		if !ok || root.byte(1, 0) != messageSchema {
			return column.Damaged("the Arrow schema is invalid")
		}
		a := &File{}
		if err := a.readSchema(t); err != nil {
			return err
		}
		fields = a.describe()
		return nil
	})
	return fields, err
}
