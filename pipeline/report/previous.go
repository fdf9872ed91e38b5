package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"graphscore/writers"
	"graphscore/writers/record"
)

// locatePrevious opens the output to compare with: the one that is named, or the one that the run knew of.
func (b *builder) locatePrevious(ctx context.Context) error {
	dir := b.cfg.Previous
	if dir == "" {
		return b.locateKnown(ctx)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{dir}
	}
	var err error
	if b.previous, err = openOutput(ctx, writers.NewView(dir), b.notePrevious); err != nil {
		return err
	}
	if len(b.previous.parts) == 0 {
		return &NotOutputError{dir, "it holds no parts to compare with"}
	}
	return nil
}

// locateKnown opens the output that the record names, if it is whole still. Both may have been moved together.
func (b *builder) locateKnown(ctx context.Context) error {
	if b.record == nil || b.record.Previous == "" {
		return nil
	}
	places := []string{b.record.Previous}
	if rel, err := filepath.Rel(b.record.Output, b.record.Previous); err == nil {
		places = []string{filepath.Join(b.dir, rel), b.record.Previous}
	}
	for _, dir := range places {
		done, err := writers.NewView(dir).Succeeded()
		if err != nil {
			return err
		}
		if !done || sameFolder(dir, b.dir) {
			continue
		}
		found, err := openOutput(ctx, writers.NewView(dir), b.notePrevious)
		var none *NotOutputError
		switch {
		case errors.As(err, &none):
		case err != nil:
			return err
		case len(found.parts) > 0:
			b.previous = found
			return nil
		}
	}
	b.lost = b.record.Previous
	return nil
}

// sameFolder takes folders that cannot be looked at for different ones: opening them will say why.
func sameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func (b *builder) notePrevious(format string, args ...any) {
	b.note("Previous output: "+format, args...)
}

// drift compares the run with the one before, or with the last one of the previous output, and lists what ran.
func (b *builder) drift(ctx context.Context) error {
	before, err := b.before(ctx)
	if err != nil || b.record == nil {
		return err
	}
	b.report.DriftNote = b.withoutScores(before)
	if before == nil {
		return nil
	}
	b.report.Previous = before.RunID
	if b.previous != nil {
		b.report.Previous = b.previous.view.Dir() + ": " + before.RunID
	}
	b.report.Drift = changes(before, b.record)
	if was, is := before.Model.Digest, b.record.Model.Digest; was != is && was != "" && is != "" {
		b.note("The model changed since the previous run: %s before, %s now.", short(was), short(is))
	}
	return nil
}

// withoutScores says why scores are not compared, where they are not and there was a run before.
func (b *builder) withoutScores(before *record.Run) string {
	switch {
	case b.previous != nil && b.otherLevel():
		return fmt.Sprintf("Scores are not compared: those of before are scores of a %s, these of a %s.",
			cmp.Or(b.previous.level, "row of parts of several levels"), b.report.Unit())
	case b.previous != nil && len(b.report.ScoreDrift) == 0:
		return "Scores are not compared: the two outputs have no scores of one name."
	case b.previous != nil:
		return ""
	case b.lost != "":
		return "Scores are not compared: the output of before, " + b.lost + ", is not whole any more."
	case before == nil:
		return ""
	case b.record.Counts.Scored == 0:
		return "This run scored nothing: the scores are those of the run before."
	}
	return "Scores are not compared: both runs wrote to this folder, so that only those of the last are left. " +
		"To compare them, keep a copy and name it with --previous, or as gates.drift.against in the job."
}

// before returns the record to compare with, nil for none: that of the last earlier run which scored anything, for
// want of one the last earlier run. On the way it lists the recent runs.
func (b *builder) before(ctx context.Context) (*record.Run, error) {
	earlier, err := b.recent(ctx)
	if err != nil || b.previous == nil {
		return earlier, err
	}
	files, err := b.previous.view.Records()
	if err != nil {
		return nil, err
	}
	var scored, latest *record.Run
	for _, file := range files[:min(len(files), shownRuns)] {
		rec, err := record.Read(file)
		var bad *record.Error
		if errors.As(err, &bad) {
			continue
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		latest = cmp.Or(latest, rec)
		if rec.Counts.Scored > 0 {
			scored = rec
			break
		}
	}
	if latest == nil {
		b.note("The previous output has no run record: only its scores are compared.")
	}
	return cmp.Or(scored, latest), nil
}
