package column

// Group is a row group or a record batch.
type Group struct {
	Rows, Bytes int64
	Sizes       Sizes
}

// Sizes is what a footer says of the graphs of a group, -1 where it does not.
type Sizes struct {
	Features, Edges int64
	Guessed         bool
}
