package part

import (
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/graph"
)

// Contents says what the parts of a run hold.
type Contents struct {
	// Settings go into the footer of every part.
	Settings Settings
	// Level is what a row of scores belongs to.
	Level graph.Level
	// GraphIDs and NodeIDs are the types of the id columns. The ends of an edge are named as nodes are.
	GraphIDs, NodeIDs graph.IDKind
	// Outputs are the names of the score columns, in the order of the scores.
	Outputs []string
	// Embedding is the number of values in a row of the embedding, 0 for parts without one. Where Settings.Embed names a step
	// it may be 0 as well, if the contents are only compared with parts that exist.
	Embedding int
}

// Validate names the field that is missing or wrong.
func (c Contents) Validate() error {
	if len(c.Outputs) == 0 {
		return errors.New("the model has no outputs (Outputs)")
	}
	if i := graph.BadOutput(c.Level, c.Outputs); i >= 0 {
		return fmt.Errorf("the output name %q (Outputs) is empty, taken or there twice", c.Outputs[i])
	}
	s := c.Settings
	if c.Embedding < 0 || c.Embedding > 0 && s.Embed == "" {
		return fmt.Errorf("the embedding has %d values (Embedding), but the settings name no step (Settings.Embed)", c.Embedding)
	}
	if s.Embed != "" && slices.Contains(c.Outputs, graph.EmbeddingColumn) {
		return fmt.Errorf("the output name %q (Outputs) is that of the column of the embedding", graph.EmbeddingColumn)
	}
	if s.Outputs != nil && !slices.Equal(s.Outputs, c.Outputs) {
		return fmt.Errorf("the outputs %q differ from those of the settings, %q (Settings.Outputs)", c.Outputs, s.Outputs)
	}
	if level, err := s.ScoreLevel(); err != nil || level != c.Level {
		return fmt.Errorf("scores are those of a %s, but the level of the settings is %q (Settings.Level)", c.Level, s.Level)
	}
	if s.GraphID != "" && s.GraphID != c.GraphIDs.String() {
		return fmt.Errorf("graph ids are %s, but %s in the settings (Settings.GraphID)", c.GraphIDs, s.GraphID)
	}
	if s.NodeID != "" && s.NodeID != c.NodeIDs.String() {
		return fmt.Errorf("node ids are %s, but %s in the settings (Settings.NodeID)", c.NodeIDs, s.NodeID)
	}
	return nil
}

// partSchema is the schema of all parts of a run: flat, required columns, and behind them a list where there is an embedding.
func partSchema(c *Contents) (*schema.Schema, error) {
	var fields schema.FieldList
	add := func(name string, logical schema.LogicalType, physical parquet.Type) error {
		n, err := schema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Required, logical, physical, -1, -1)
		fields = append(fields, n)
		return err
	}
	for i, name := range graph.IDColumns(c.Level) {
		kind := c.NodeIDs
		if i == 0 {
			kind = c.GraphIDs
		}
		var logical schema.LogicalType
		physical := parquet.Types.Int64
		if kind == graph.String {
			logical, physical = schema.StringLogicalType{}, parquet.Types.ByteArray
		}
		if err := add(name, logical, physical); err != nil {
			return nil, err
		}
	}
	for _, name := range c.Outputs {
		if err := add(name, nil, parquet.Types.Float); err != nil {
			return nil, err
		}
	}
	if c.Embedding > 0 {
		list, err := embeddingNode()
		if err != nil {
			return nil, err
		}
		fields = append(fields, list)
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return nil, err
	}
	return schema.NewSchema(root), nil
}
