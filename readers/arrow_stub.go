package readers
import "io"
func openArrow(r io.ReaderAt, size int64, format Format, limit int64) (contents, error) { return nil, nil }
func isStream(r io.ReaderAt, size int64) bool { return false }
