// Package parquet decodes the columns of Parquet files, page by page: file.go reads the footer, chunks.go the
// column chunks, pages.go their pages, levels.go assembles rows, values.go, rle.go and delta.go decode values.
// Package readers says why pages are not read by a library.
package parquet
