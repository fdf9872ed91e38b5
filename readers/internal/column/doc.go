// Package column holds what the decoders of all formats share: the types and roles of input columns, the rows of a
// column that are decoded and not yet taken, and the errors of files.
//
// A decoder (packages parquet and arrow) describes the columns of a file as [Field]s. [Bind] finds those that are
// read. For each of them the reader makes a [Column], the decoder puts a [Filler] into it, and [Column.Fill] asks
// that for rows until there are enough. One goroutine uses a column.
package column
