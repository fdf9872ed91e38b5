package writers

import (
	"context"
	"fmt"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// SizeCounter takes scores as a [Part] does, and keeps nothing but the size that its files would have. One goroutine
// uses it.
type SizeCounter struct {
	file       byteCounter
	encoder    *part.Encoder
	footer     part.Footer
	quarantine int64 // bytes
}

// byteCounter is a file that keeps its length only.
type byteCounter struct{ n int64 }

func (c *byteCounter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func (c *byteCounter) Tell() int64 { return c.n }

// NewSizeCounter begins with an empty part of the contents.
func NewSizeCounter(spec part.Spec, c part.Contents) (*SizeCounter, error) {
	s := &SizeCounter{footer: part.NewFooter(spec, c.Settings)}
	err := c.Validate()
	if err == nil {
		s.encoder, err = part.NewEncoder(&s.file, c, part.Sizes{})
	}
	if err != nil {
		return nil, fmt.Errorf("measuring the part %q: %w", spec.Part, err)
	}
	return s, nil
}

// Write measures the scores of a batch, as [Part.Write] would write them.
func (s *SizeCounter) Write(ctx context.Context, b *graph.Batch, scores *graph.Scores) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	scored, err := s.encoder.Write(b, scores)
	s.footer.Scored += scored
	if err != nil {
		return fmt.Errorf("measuring the part %q: %w", s.footer.Part, err)
	}
	return nil
}

// Reject measures a line of the quarantine file.
func (s *SizeCounter) Reject(ctx context.Context, r graph.Rejection) error {
	s.quarantine += int64(len(part.QuarantineLine(s.footer.Input, r)))
	s.footer.Quarantined++
	s.footer.Codes[string(r.Code)]++
	return ctx.Err()
}

// Commit ends the part: Bytes is complete then.
func (s *SizeCounter) Commit(context.Context) error {
	s.footer.RowsIn = s.footer.Scored + s.footer.Quarantined
	s.footer.QuarantineHash = part.NewQuarantineSum().Hash() // all are of one length
	return s.encoder.Finish(&s.footer)
}

// Close does nothing: nothing was created.
func (s *SizeCounter) Close() error { return nil }

// Bytes is the size of the part and of its quarantine file so far.
func (s *SizeCounter) Bytes() int64 { return s.file.n + s.quarantine }
