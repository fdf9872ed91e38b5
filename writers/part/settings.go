package part

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// Settings is what, besides input and model, the bytes of a part depend on. Its digest is in every footer, and
// the whole of it too, so that a part of other settings can be told which of them differ.
//
// Fields are in the order of their JSON keys.
type Settings struct {
	// Columns maps names of the design to those of the input; empty where nothing is mapped.
	Columns map[string]string `json:"columns"`
	// EdgeTypes is the number of types of an edge that the model knows and EdgeWidth the number of features of an edge that
	// it wants, 0 for a model that reads none.
	EdgeTypes int `json:"edge_types,omitempty"`
	EdgeWidth int `json:"edge_width,omitempty"`
	// Embed is the step of the model whose values are written beside the scores, empty for none.
	Embed string `json:"embed,omitempty"`
	// FeatureWidth is the number of features of a node that the model wants.
	FeatureWidth int `json:"feature_width"`
	// GraphID and NodeID are the types of the ids of graphs and nodes, "int64" or "string".
	GraphID string `json:"graph_id"`
	// GraphWidth is the number of features of a graph that the model wants, 0 for one that reads none.
	GraphWidth int `json:"graph_width,omitempty"`
	// Layout is the layout of the input.
	Layout string `json:"layout"`
	// Level is what a row of scores belongs to, "edge" or "graph"; empty for nodes.
	Level string `json:"level,omitempty"`
	// Limit is the number of graphs that the run was limited to, 0 for all.
	Limit int64 `json:"limit"`
	// MessageBytes is the largest message: graphs that do not fit are quarantined.
	MessageBytes int64  `json:"message_bytes"`
	NodeID       string `json:"node_id"`
	// Outputs are the names of the score columns.
	Outputs []string `json:"outputs"`
	// Protocol is the one that the scores came over.
	Protocol string `json:"protocol"`
	// ScoringVersion rises whenever a new version of graphscore makes other scores, beyond rounding, or other rejections.
	ScoringVersion int `json:"scoring_version"`
	// Unweighted: the model does not read edge weights.
	Unweighted bool `json:"unweighted,omitempty"`
}

// OfModel returns the settings with the level and the inputs of a model.
func (s Settings) OfModel(m *graph.Model) Settings {
	s.Level = ""
	if m.Level != graph.NodeLevel {
		s.Level = m.Level.String()
	}
	s.EdgeWidth, s.EdgeTypes, s.GraphWidth = m.Inputs.EdgeWidth, m.Inputs.EdgeTypes, m.Inputs.GraphWidth
	s.Unweighted = !m.Inputs.Weights
	return s
}

// Inputs are the columns that the model reads beside the features of nodes. They do not say whether weights are needed.
func (s Settings) Inputs() graph.Inputs {
	return graph.Inputs{EdgeWidth: s.EdgeWidth, EdgeTypes: s.EdgeTypes, GraphWidth: s.GraphWidth, Weights: !s.Unweighted}
}

// ScoreLevel is what a row of scores belongs to.
func (s Settings) ScoreLevel() (graph.Level, error) { return graph.ParseLevel(s.Level) }

// JSON is the settings as JSON with sorted keys, without spaces.
func (s Settings) JSON() []byte {
	if s.Columns == nil {
		s.Columns = map[string]string{}
	}
	if s.Outputs == nil {
		s.Outputs = []string{}
	}
	return plainJSON(s)
}

// IDTypes are the types of graph and node ids that the settings name.
func (s Settings) IDTypes() (graphIDs, nodeIDs graph.IDKind) {
	if s.GraphID == graph.String.String() {
		graphIDs = graph.String
	}
	if s.NodeID == graph.String.String() {
		nodeIDs = graph.String
	}
	return graphIDs, nodeIDs
}

// Digest is "sha256:" and the hash of JSON.
func (s Settings) Digest() string {
	sum := sha256.Sum256(s.JSON())
	return hashPrefix + hex.EncodeToString(sum[:])
}

// Differences names the settings that differ from others, with both values.
func (s Settings) Differences(was Settings) []string { return s.differences(was.JSON()) }

// differences names the settings that differ from those of a part, which are JSON, with both values.
func (s Settings) differences(part []byte) []string {
	var now, was map[string]json.RawMessage
	if json.Unmarshal(s.JSON(), &now) != nil || json.Unmarshal(part, &was) != nil {
		return []string{"its settings differ"}
	}
	keys := maps.Clone(now)
	maps.Copy(keys, was)
	var out []string
	for _, k := range sortedKeys(keys) {
		if !bytes.Equal(now[k], was[k]) {
			out = append(out, fmt.Sprintf("setting %s is %s, was %s", k, orNothing(now[k]), orNothing(was[k])))
		}
	}
	if out == nil {
		return []string{"its settings differ"}
	}
	return out
}

func orNothing(v json.RawMessage) string {
	if v == nil {
		return "not there"
	}
	return string(v)
}

// Spec describes the part of one shard: where it goes and what it must come from.
type Spec struct {
	// Part is the slash-separated path of the part under the output.
	Part string
	// Input is the slash-separated path of the input under its root. Where a run has several roots it begins
	// with the name of the root, so that no two inputs of a run share one.
	Input string
	// Fingerprint is that of the input, its kind before a colon: "fast:..." or "full:...".
	Fingerprint string
	// FirstGroup and LastGroup are the row groups of the shard, both included.
	FirstGroup, LastGroup int
	// Rows is the number of input rows of the shard: each must end up scored or quarantined.
	Rows int64
	// Model is the digest of the model, or the version that the job states.
	Model string
}

// Check refuses names of parts that must not be written to. Parts are named after files that others make.
func (s Spec) Check() error {
	if !IsName(s.Part) {
		return fmt.Errorf("the part %q does not end in .parquet", s.Part)
	}
	for element := range strings.SplitSeq(s.Part, "/") {
		if element == "" || strings.HasPrefix(element, ".") || strings.HasPrefix(element, "_") {
			return fmt.Errorf("the part %q has an element that is empty or begins with '_' or '.': rename the input", s.Part)
		}
	}
	if strings.ContainsRune(s.Part, 0) {
		return fmt.Errorf("the part %q has a zero byte in its name", s.Part)
	}
	return nil
}

// Groups describes the row groups of the shard.
func (s Spec) Groups() string { return fmt.Sprintf("%d to %d", s.FirstGroup, s.LastGroup) }

// Differences says in what a part is not what the spec and the settings want, or nil. The digest is that of the
// settings.
func (s Spec) Differences(f *Footer, settings Settings, digest string) []string {
	var out []string
	differ := func(what, now, was string) {
		if now = Text(now); now != was {
			out = append(out, fmt.Sprintf("%s %s, was %s", what, now, was))
		}
	}
	differ("input", s.Input, f.Input)
	differ("fingerprint of the input", s.Fingerprint, f.Fingerprint)
	differ("row groups", s.Groups(), f.Groups())
	differ("model", s.Model, f.Model)
	if digest != f.SettingsDigest {
		out = append(out, settings.differences(f.settings)...)
	}
	if out == nil && s.Rows != f.RowsIn {
		out = append(out, fmt.Sprintf("rows %d, was %d", s.Rows, f.RowsIn))
	}
	return out
}

// IsName reports whether a file name has the ending of parts.
func IsName(name string) bool { return strings.HasSuffix(name, partSuffix) }

// Text makes s fit for a footer, which holds UTF-8 only.
func Text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// plainJSON encodes without escaping <, > and &. The values it is used for always encode.
func plainJSON(v any) []byte {
	b, err := display.CompactJSON(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
