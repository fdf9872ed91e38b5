package jobs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// NoDates are the folders and files of the input from since, inclusive, until the other, exclusive, which exist but are
// no date of the calendar: those of an hour or a day that its wall clock leaves out. No run reads them.
func (j Job) NoDates(c Calendar, since, until Date) []string {
	var found []string
	for d := since; d.Before(until); d = d.next() {
		if c.Exists(d) {
			continue
		}
		for _, p := range j.Input.Path {
			found = append(found, existing(datedPart(p.Path), d)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// NoDatesBefore are those between a date and the last one before it that exists.
func (j Job) NoDatesBefore(c Calendar, d Date) []string {
	since := d.previous()
	for !c.Exists(since) {
		since = since.previous()
	}
	return j.NoDates(c, since, d)
}

// datedPart is a path up to the last element that has a date, "" where there is none.
func datedPart(path string) string {
	end := 0
	for _, at := range placeholder.FindAllStringIndex(path, -1) {
		if _, is := layout(path[at[0]:at[1]]); is {
			end = at[1]
		}
	}
	if end == 0 {
		return ""
	}
	if slash := strings.IndexByte(path[end:], filepath.Separator); slash >= 0 {
		return path[:end+slash]
	}
	return path
}

// existing are the paths that exist where a path has the date d.
func existing(path string, d Date) []string {
	if path == "" {
		return nil
	}
	path = expand(path, d)
	if _, err := os.Stat(path); err == nil {
		return []string{path}
	}
	matches, err := doublestar.FilepathGlob(path)
	if err != nil { // the plan of a date says what is wrong with a pattern
		return nil
	}
	return matches
}
