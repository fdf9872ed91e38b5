//go:build faults

package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// tree is the content of each file of an output by its name, with slashes.
type tree map[string]string

// read reads an output, which need not exist.
func read(output string) (tree, error) {
	t := tree{}
	err := fs.WalkDir(os.DirFS(output), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(output, name))
		t[name] = string(content)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && len(t) == 0 {
		return t, nil
	}
	return t, err
}

// kind is what the name of a file says that it is.
type kind int

const (
	scores     kind = iota // a part
	quarantine             // the quarantine file of a part
	success                // _SUCCESS
	records                // of a run or a backfill
	lock
	temporary
	foreign
)

func kindOf(name string) kind {
	base := path.Base(name)
	switch {
	case atomic.IsTemp(name):
		return temporary
	case base == "_lock", strings.HasPrefix(base, "_dates-") && strings.HasSuffix(base, ".lock"):
		return lock
	case base == writers.SuccessName:
		return success
	case strings.Contains("/"+name, "/_runs/") && strings.HasSuffix(base, ".json"):
		return records
	case strings.Contains("/"+name, "/"+part.QuarantineDir+"/") && strings.HasSuffix(base, ".jsonl"):
		return quarantine
	case part.IsName(base):
		return scores
	default:
		return foreign
	}
}

// lasting is what must be the same in every output of a job: parts, quarantine files and _SUCCESS.
func (t tree) lasting() tree {
	kept := maps.Clone(t)
	maps.DeleteFunc(kept, func(name, _ string) bool { return !slices.Contains([]kind{scores, quarantine, success}, kindOf(name)) })
	return kept
}

// quarantineOf is the name of the quarantine file of a part, which may lie in the output of a date.
func quarantineOf(name string) string {
	folder := ""
	if first, rest, nested := strings.Cut(name, "/"); nested && strings.HasPrefix(first, "dt=") {
		folder, name = first+"/", rest
	}
	return folder + part.QuarantineName(name)
}

var (
	temporaryNumber = regexp.MustCompile(`(\.graphscore-(?:[a-z]+-)?)\d+\.tmp`)
	runID           = regexp.MustCompile(`\d{8}T\d{6}Z-[0-9a-f]{8}`)
)

// general is a name without what differs from run to run.
func general(name string) string {
	if !strings.Contains(name, ".graphscore-") && !strings.Contains(name, "_runs/") {
		return name
	}
	return runID.ReplaceAllString(temporaryNumber.ReplaceAllString(name, "${1}N.tmp"), "ID")
}

// state is a text that two outputs share for which the next run does the same: it does not look into records, the lock
// and temporary files.
func (t tree) state() string {
	var all []string
	for name, content := range t {
		if k := kindOf(name); k == records || k == lock || k == temporary {
			content = ""
		}
		all = append(all, fmt.Sprintf("%s %q", general(name), content))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
