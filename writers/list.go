package writers

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// Names of files in an output that are not parts. Those of other packages are [part.QuarantineDir] and [record.Dir].
const (
	// SuccessName is the empty file that says that every planned part is complete and no gate failed.
	SuccessName = "_SUCCESS"
	// ReportName is what the report command calls its file where it lies beside the scores.
	ReportName = "_report.html"
)

// Inventory names every file of an output, by slash-separated paths below it, sorted.
type Inventory struct {
	// Parts end in .parquet and lie where parts may lie: only opening one shows whether graphscore made it.
	Parts []string
	// Quarantines are the parts that have a quarantine file, whether or not they exist.
	Quarantines []string
	// Temporary are files of runs that were killed, or of one that goes on.
	Temporary []string
	// Foreign is everything else that is no folder: nothing of graphscore has such a name.
	Foreign []string
	// Outputs are folders below that are outputs of their own, as those of the dates of a partitioned job. What lies
	// in them is in the other lists as well.
	Outputs []string
	// Records is the number of run records.
	Records int
	// Success and Lock report whether _SUCCESS and _lock exist.
	Success, Lock bool
}

// Ours reports whether anything in the folder is graphscore's.
func (i *Inventory) Ours() bool {
	return len(i.Parts)+len(i.Quarantines)+i.Records > 0 || i.Success || i.Lock
}

// List lists an output and changes nothing. Errors are an *atomic.IOError, also where the folder does not exist or
// is none, or that of ctx. What is removed meanwhile is left out.
func (v View) List(ctx context.Context) (*Inventory, error) {
	inv := &Inventory{}
	err := fs.WalkDir(os.DirFS(v.dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist) && name != ".":
			return nil
		case name == atomic.LostAndFound && d.IsDir():
			return fs.SkipDir
		case err != nil:
			return &atomic.IOError{Op: "reading", Path: v.Path(name), Err: err}
		case !d.IsDir():
			inv.add(name, d.Type().IsRegular())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return inv, nil
}

func (i *Inventory) add(name string, regular bool) {
	first, rest, _ := strings.Cut(name, "/")
	of, isQuarantine := part.QuarantinePart(name)
	switch {
	case regular && atomic.IsTemp(name):
		i.Temporary = append(i.Temporary, name)
	case regular && name == SuccessName:
		i.Success = true
	case regular && name == lockName:
		i.Lock = true
	case regular && path.Base(name) == lockName && !strings.HasPrefix(first, "_"):
		i.Outputs = append(i.Outputs, path.Dir(name))
	case regular && (name == ReportName || isTaskFile(name)):
	case regular && first == record.Dir && record.IsName(rest):
		i.Records++
	case regular && isQuarantine && (part.Spec{Part: of}).Check() == nil:
		i.Quarantines = append(i.Quarantines, of)
	case (part.Spec{Part: name}).Check() == nil:
		i.Parts = append(i.Parts, name)
	default:
		i.Foreign = append(i.Foreign, name)
	}
}
