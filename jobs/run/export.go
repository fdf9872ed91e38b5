package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"graphscore/jobs"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/readers"
	"graphscore/readers/extract"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// Export says which graphs in quarantine are written where.
type Export struct {
	// File is what is written: Parquet, or an Arrow file where its name ends in .arrow, .feather or .ipc.
	File string
	// Code and Input leave out all graphs but those with a reason, and those of an input by its path under the root. ""
	// leaves out none.
	Code, Input string
}

// ExportError says why the graphs in quarantine cannot be taken from the input, or not be written there.
type ExportError struct {
	// Gone: the input does not exist any more.
	Gone   bool
	Reason string
}

func (e *ExportError) Error() string { return e.Reason }

// exportCode: what does not exist is 66, what is another thing now is 78.
func exportCode(err error) (int, bool) {
	var e *ExportError
	switch {
	case !errors.As(err, &e):
		return 0, false
	case e.Gone:
		return exit.NotThere, true
	default:
		return exit.Config, true
	}
}

// ExportQuarantined writes the graphs themselves that are in quarantine in the output of the job, in the order of file
// and row, as the input has them: the columns that graphscore reads, names and types included. It returns how many
// there are; for none no file is written. The input is that of the job, or of the newest run record where the job names
// none. Its fingerprint must be that of the parts. What was written is read back, and has its name only where a reader
// finds the same graphs in it as in the input.
//
// Errors are a *UsageError for a name without a known end, an *atomic.CreateError where the file exists, an
// *ExportError, an *extract.Error, an *atomic.IOError, or those of [Config.ReadPlan].
func (c Config) ExportQuarantined(ctx context.Context, e Export) (graphs int64, err error) {
	form, ok := extract.FormOf(e.File)
	if !ok {
		return 0, &UsageError{fmt.Sprintf("--export %s: the name must end in .parquet, or in .arrow, .feather or .ipc", e.File)}
	}
	job := *c.Job
	c.Job, c.Limit = &job, 0
	held, err := c.held(ctx, e)
	if err != nil || len(held) == 0 {
		return 0, err
	}
	if len(job.Input.Path) == 0 {
		if job.Input.Path, err = c.recordedInput(); err != nil {
			return 0, err
		}
	}
	if err := c.apart(e.File); err != nil {
		return 0, err
	}
	in, err := c.ReadOutputPlan(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := in.extracted(held)
	if err != nil {
		return 0, err
	}
	file, err := atomic.StageFile(e.File)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Discard()) }()
	// A reader bounds what a file can claim, and the library does not: the reader goes first.
	want, err := in.allContents(ctx, held)
	if err != nil {
		return 0, err
	}
	if err := extract.Write(ctx, file, form, rows); err != nil {
		return 0, err
	}
	if err := file.Seal(); err != nil {
		return 0, err
	}
	if err := in.same(ctx, held, want, file.Staged()); err != nil {
		return 0, err
	}
	for _, h := range held {
		graphs += int64(len(h.rows))
	}
	return graphs, file.Publish()
}

// heldPart is a part with the graphs of it that are exported.
type heldPart struct {
	footer *part.Footer
	groups []int   // row group of each, ascending
	rows   []int64 // place of each in the file, ascending
}

// held finds the graphs that are exported, in the order of file and row.
func (c Config) held(ctx context.Context, e Export) ([]heldPart, error) {
	view := writers.NewView(c.Job.Output.Path)
	found, err := view.List(ctx)
	if err != nil {
		return nil, err
	}
	var held []heldPart
	for _, name := range found.Parts {
		f, err := view.Footer(name)
		if part.IsPartError(err) || errors.Is(err, fs.ErrNotExist) { // the list says so
			continue
		}
		if err != nil {
			return nil, err
		}
		if f.Quarantined == 0 || e.Input != "" && e.Input != f.Input || e.Code != "" && f.Codes[e.Code] == 0 {
			continue
		}
		h, err := heldIn(view, name, f, e.Code)
		if err != nil {
			return nil, err
		}
		held = append(held, *h)
	}
	slices.SortFunc(held, func(a, b heldPart) int {
		return cmp.Or(cmp.Compare(a.footer.Input, b.footer.Input), cmp.Compare(a.footer.FirstGroup, b.footer.FirstGroup))
	})
	return held, ctx.Err()
}

// heldIn reads the quarantine file of a part. The error is an *ExportError where it is not that of the part.
func heldIn(view writers.View, name string, f *part.Footer, code string) (h *heldPart, err error) {
	fault, err := view.QuarantineFault(name, f)
	if err != nil {
		return nil, err
	}
	if fault != "" {
		return nil, &ExportError{Reason: fmt.Sprintf("the part %q is not whole: %s: run again, which makes it anew", view.Path(name), fault)}
	}
	q, err := view.Quarantine(name, f.Input)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	h = &heldPart{footer: f}
	for {
		r, err := q.Next()
		if errors.Is(err, io.EOF) {
			return h, nil
		}
		if err != nil {
			return nil, err
		}
		if code == "" || code == string(r.Code) {
			h.groups, h.rows = append(h.groups, r.RowGroup), append(h.rows, r.Row)
		}
	}
}

// recordedInput is the input of the newest run of the output whose record says it.
func (c Config) recordedInput() (jobs.Paths, error) {
	files, err := writers.NewView(c.Job.Output.Path).Records()
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		rec, err := record.Read(file)
		var none *record.Error
		switch {
		case errors.As(err, &none), errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case len(rec.Inputs) == 1:
			return jobs.Paths{{Path: rec.Inputs[0]}}, nil
		case len(rec.Inputs) > 1:
			return nil, &UsageError{"the run had several inputs, and its record has no names for them: name the job file instead of the folder, or give --input NAME=PATH for each"}
		}
	}
	return nil, &UsageError{fmt.Sprintf("no run record in %s says where the input is: name the job file instead of the folder, or give --input", c.Job.Output.Path)}
}

// apart refuses a file in the output, where it would be taken for a part, and in an input, where the next run would
// read it.
func (c Config) apart(file string) error {
	dir, unseen, err := realPath(filepath.Dir(file))
	if err != nil {
		return err
	}
	if unseen != nil {
		return atomic.LookingFor(file, unseen)
	}
	output, _, err := realPath(c.Job.Output.Path) // it was read
	if err != nil {
		return err
	}
	if within(dir, output) {
		return &ExportError{Reason: fmt.Sprintf("the export %s lies inside the output %s, where it would be taken for a part: write it elsewhere", file, c.Job.Output.Path)}
	}
	inside := c
	job := *c.Job
	job.Output.Path = file
	inside.Job = &job
	var overlap *OverlapError
	if err := inside.CheckPaths(); errors.As(err, &overlap) {
		return &ExportError{Reason: fmt.Sprintf("the export %s lies inside the input %s, and the next run would read it: write it elsewhere", file, c.Job.Input.Path)}
	} else if err != nil {
		return err
	}
	return nil
}

// extracted are the rows to copy, by file. The error is an *ExportError where the input is not the one of the parts.
func (in *OutputInput) extracted(held []heldPart) ([]extract.Rows, error) {
	files := map[string]*readers.File{}
	for _, f := range in.plan.Files {
		files[f.Rel] = f
	}
	var rows []extract.Rows
	for _, h := range held {
		f := files[h.footer.Input]
		switch {
		case f == nil && in.exists.Gone(h.footer.Input):
			return nil, &ExportError{Gone: true, Reason: fmt.Sprintf("the input %q, of %s in quarantine, is gone: name where it is now with --input, or leave it out with --file",
				h.footer.Input, display.Plural(int64(len(h.rows)), "graph"))}
		case f == nil:
			return nil, &ExportError{Reason: fmt.Sprintf("the input %q cannot be read now: run graphscore inspect on it", h.footer.Input)}
		case f.Fingerprint != h.footer.Fingerprint:
			return nil, &ExportError{Reason: fmt.Sprintf("the input %q has changed since its graphs were quarantined (fingerprint %s, was %s): score it again with run --rescore",
				h.footer.Input, f.Fingerprint, h.footer.Fingerprint)}
		}
		if n := len(rows); n > 0 && rows[n-1].File == f {
			rows[n-1].Places = append(rows[n-1].Places, h.rows...)
			continue
		}
		rows = append(rows, extract.Rows{File: f, Wanted: wantedBy(*h.footer.Settings), Places: slices.Clone(h.rows)})
	}
	return rows, nil
}
