package graph

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// EmbeddingColumn is the column of a part with the values of a step of the model. It comes after those of the outputs, and
// exists only where a step was named.
const EmbeddingColumn = "embedding"

// Step is a step of a model.
type Step struct {
	// Name is that of config.json.
	Name string
	// Level is what a row of its values belongs to.
	Level Level
	// Width is the number of values in a row. It is 0 where only the name is known: no worker was asked.
	Width int
}

// NoEmbedding returns an embedding of zeros, nil where a row has no values.
func NoEmbedding(rows, width int) []float32 {
	if width == 0 {
		return nil
	}
	return make([]float32, rows*width)
}

// Embed makes the values of a step the embedding of the model. The error names the model, the step and those that can be
// had, or says why there is none.
func (m *Model) Embed(step string) error {
	if len(m.Steps) == 0 {
		return fmt.Errorf("the values of step %s of the model %s cannot be had: %s", strconv.Quote(step), m.Name, m.NoSteps)
	}
	i := slices.IndexFunc(m.Steps, func(s Step) bool { return s.Name == step })
	if i < 0 {
		return fmt.Errorf("the model %s has no step %s; %s", m.Name, strconv.Quote(step), m.choice())
	}
	if s := m.Steps[i]; s.Width > 0 && s.Level != m.Level {
		return fmt.Errorf("step %s of the model %s is of level %s, and its scores are of level %s: only values of that level can be written beside them; %s",
			strconv.Quote(step), m.Name, s.Level, m.Level, m.choice())
	}
	if slices.Contains(m.Outputs, EmbeddingColumn) {
		return fmt.Errorf("the model %s has an output that is called %s, which is the column of the values of a step: rename the output in config.json", m.Name, EmbeddingColumn)
	}
	m.Embedding = m.Steps[i]
	return nil
}

// choice names the steps whose values can be written.
func (m *Model) choice() string {
	var names []string
	for _, s := range m.Steps {
		if s.Width == 0 || s.Level == m.Level {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("none of its steps is of level %s", m.Level)
	}
	return "its steps that can be written are " + strings.Join(names, ", ")
}
