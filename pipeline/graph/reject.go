package graph

// Code says why a graph was not scored. Codes are stable: scripts match on them.
type Code string

// The codes of graphs that never reach a scorer.
const (
	// NullValue: a value that a graph needs is null (the row, the id, features, an edge, a weight, an edge type).
	NullValue Code = "null_value"
	// FeatureWidth: nodes with another number of features than the model wants, or with different numbers.
	FeatureWidth Code = "feature_width"
	// NonFiniteFeature: a feature of a node, an edge or the graph is NaN or infinite.
	NonFiniteFeature Code = "non_finite_feature"
	// NonFiniteWeight: an edge weight is NaN or infinite.
	NonFiniteWeight Code = "non_finite_weight"
	// EdgeOutOfRange: an edge names a node that does not exist.
	EdgeOutOfRange Code = "edge_out_of_range"
	// MalformedEdges: edge_index is not two lists of one length, or weights, features or types of edges are not as many.
	MalformedEdges Code = "malformed_edges"
	// NodeCount: num_nodes or node_ids disagree with the number of feature rows.
	NodeCount Code = "node_count"
	// DuplicateNodeID: a node id occurs twice in one graph.
	DuplicateNodeID Code = "duplicate_node_id"
	// EdgeFeatureWidth: edges with another number of features than the model wants, or with different numbers.
	EdgeFeatureWidth Code = "edge_feature_width"
	// GraphFeatureWidth: the graph has another number of features than the model wants.
	GraphFeatureWidth Code = "graph_feature_width"
	// CategoryOutOfRange: an integer that float32 may not hold, or a number that names no row of a table of the model, as
	// an edge type.
	CategoryOutOfRange Code = "category_out_of_range"
	// EdgeWithoutReverse: an edge that has no reverse with the same features, where the model passes messages along pairs
	// of edges.
	EdgeWithoutReverse Code = "edge_without_reverse"
	// TooLarge: the graph does not fit into one message.
	TooLarge Code = "too_large"
)

// The codes of graphs that reached a scorer.
const (
	// NonFiniteScore: a score is NaN or infinite.
	NonFiniteScore Code = "non_finite_score"
	// Refused: the scorer refused the graph, the message says why.
	Refused Code = "refused"
	// ScorerFailed: the scorer raised an error over the graph, twice, and is otherwise well.
	ScorerFailed Code = "scorer_failed"
	// ScorerCrashed: the scorer's process ended over the graph, twice.
	ScorerCrashed Code = "scorer_crashed"
	// OutOfMemory: the scorer had not enough memory for the graph.
	OutOfMemory Code = "out_of_memory"
	// DeadlineExceeded: the scorer did not answer in time over the graph.
	DeadlineExceeded Code = "deadline_exceeded"
)

// Codes lists all codes.
func Codes() []Code {
	return []Code{
		NullValue, FeatureWidth, NonFiniteFeature, NonFiniteWeight, EdgeOutOfRange, MalformedEdges, NodeCount,
		DuplicateNodeID, EdgeFeatureWidth, GraphFeatureWidth, CategoryOutOfRange, EdgeWithoutReverse, TooLarge,
		NonFiniteScore, Refused, ScorerFailed, ScorerCrashed, OutOfMemory, DeadlineExceeded,
	}
}

// OfTheMoment reports whether another machine, limit or version may score a graph that has the code. Every other code
// follows from the graph and the model.
func (c Code) OfTheMoment() bool {
	return c == DeadlineExceeded || c == OutOfMemory || c == ScorerCrashed
}

// Rejection is a graph that cannot be scored. It is a value, not an error: the run goes on. Nothing in it
// depends on other graphs nor, but for codes [Code.OfTheMoment], on the moment, so that the quarantine file has the
// same bytes in every run.
type Rejection struct {
	// GraphID is an int64, a string, or nil where the input has none.
	GraphID any
	// RowGroup and Row are the place in the input file, from 0. Row counts through the file.
	RowGroup int
	Row      int64
	Code     Code
	Message  string
	// Nodes and Edges are the size of the graph as far as it is known.
	Nodes, Edges int64
	// FromOne is set with EdgeOutOfRange where all edges go from and to 1 to Nodes: they seem to count nodes from 1. It
	// is for messages, and is written nowhere.
	FromOne bool
}
