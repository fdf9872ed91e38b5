package jobs

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// placeholder finds a {date}, a {date:LAYOUT}, and any other brace without a comma. With a comma it is a glob.
var placeholder = regexp.MustCompile(`\{date:[^{}]*\}|\{[^{},]*\}`)

// dateLike are names of placeholders that other tools have: in a job without {date}, they are mistakes, while
// any other name in braces may be that of a file.
var dateLike = regexp.MustCompile(`(?i)^(dat.*|.*_date|d[st]|day|hour|week|month|year|today|yesterday|y+m*d*h*|.*%.*)$`)

const braceDate, braceLayout = "{date}", "{date:"

// layout is that of a placeholder; it is false where the brace is something else.
func layout(brace string) (string, bool) {
	if brace == braceDate {
		return time.DateOnly, true
	}
	rest, is := strings.CutPrefix(brace, braceLayout)
	return strings.TrimSuffix(rest, "}"), is
}

// layouts are those of all placeholders of a path.
func layouts(path string) []string {
	var found []string
	for _, brace := range placeholder.FindAllString(path, -1) {
		if l, is := layout(brace); is {
			found = append(found, l)
		}
	}
	return found
}

// expand puts a date into a path. Any other brace stays.
func expand(path string, d Date) string {
	return placeholder.ReplaceAllStringFunc(path, func(brace string) string {
		if l, is := layout(brace); is {
			return d.Format(l)
		}
		return brace
	})
}

// Partitioned says whether input or output has a {date}, so that every date is a run of its own.
func (j Job) Partitioned() bool { return j.InputDated() || j.OutputDated() }

// InputDated says whether a path of the input has a {date}.
func (j Job) InputDated() bool {
	return slices.ContainsFunc(j.Input.Path, func(p Path) bool { return len(layouts(p.Path)) > 0 })
}

// OutputDated says whether the output has a {date}, so that every date has a folder of its own.
func (j Job) OutputDated() bool { return len(layouts(j.Output.Path)) > 0 }

// Calendar divides time as `partition` and `timezone` say. The error is an *Error that names what is wrong in
// these or in the placeholders of a path.
func (j Job) Calendar() (Calendar, error) {
	c, err := j.calendar()
	if err == nil {
		err = j.validateDates()
	}
	if err != nil {
		return c, &Error{Path: j.Path, Reason: err.Error()}
	}
	return c, nil
}

func (j Job) calendar() (Calendar, error) {
	if units := []Unit{"", Hour, Day, Week, Month}; !slices.Contains(units, j.Partition) {
		return Calendar{}, fmt.Errorf("partition is %q: it must be one of hour, day, week, month", j.Partition)
	}
	c := Calendar{Unit: j.Partition, Location: time.UTC}
	setDefault(&c.Unit, Day)
	if j.Timezone == "" {
		return c, nil
	}
	var err error
	c.Location, err = time.LoadLocation(j.Timezone)
	if err != nil || j.Timezone == "Local" {
		return c, fmt.Errorf("timezone is %q: it must be a name of the IANA database, such as UTC or Europe/Berlin", j.Timezone)
	}
	return c, nil
}

// On is the job of one date: a copy with the date in the paths of input and output. The copy is not partitioned, but
// knows the Series that it is one of.
func (j Job) On(d Date) Job {
	of := j
	j.Series = &Series{Date: d, Of: &of}
	j.Input.Path = slices.Clone(j.Input.Path)
	for i := range j.Input.Path {
		p := &j.Input.Path[i]
		p.Dated = len(layouts(p.Path)) > 0
		p.Path = expand(p.Path, d)
	}
	j.Output.Path = expand(j.Output.Path, d)
	j.Partition, j.Timezone = "", ""
	return j
}

// Above is the folder above the first element of the output's path that holds a date: what the outputs of all
// dates have in common. Without a date in it, it is the output itself.
func (j Job) Above() string {
	for _, at := range placeholder.FindAllStringIndex(j.Output.Path, -1) {
		if _, is := layout(j.Output.Path[at[0]:at[1]]); !is {
			continue
		}
		before := j.Output.Path[:at[0]]
		switch slash := strings.LastIndexByte(filepath.ToSlash(before), '/'); slash {
		case -1:
			return "."
		case 0:
			return "/"
		default:
			return before[:slash]
		}
	}
	return j.Output.Path
}

// Form is the path of a date's output below Above, with one date that is the same for all jobs in the place of every
// {date}: jobs with the same one fill the same outputs.
func (j Job) Form() string {
	path := expand(j.Output.Path, samples(Calendar{})[0])
	below, err := filepath.Rel(filepath.Clean(j.Above()), filepath.Clean(path))
	if err != nil { // one of them is absolute, which cannot be
		return path
	}
	return below
}

// validateDates says which key has a placeholder that cannot be one, or dates that share a folder.
func (j Job) validateDates() error {
	calendar, err := j.calendar()
	if err != nil {
		return err
	}
	if !j.Partitioned() && (j.Partition != "" || j.Timezone != "") {
		return fmt.Errorf("partition and timezone are for jobs with a {date}: put one into input.path or output.path, as in dt={date}")
	}
	if len(layouts(j.Model.Path)) > 0 {
		return fmt.Errorf("model.path has a date in %s: only input.path and output.path may", j.Model.Path)
	}
	for i, p := range j.Input.Path {
		key := "input.path"
		if len(j.Input.Path) > 1 {
			key = fmt.Sprintf("input.path[%d]", i)
		}
		if err := j.validatePath(key, p.Path); err != nil {
			return err
		}
	}
	if err := j.validatePath("output.path", j.Output.Path); err != nil {
		return err
	}
	return j.validateDistinct(calendar)
}

func (j Job) validatePath(key, path string) error {
	for _, brace := range placeholder.FindAllString(path, -1) {
		l, is := layout(brace)
		word := strings.Trim(brace, "{}")
		switch {
		case is:
			if err := validateLayout(l); err != nil {
				return fmt.Errorf("%s: %s %w", key, brace, err)
			}
		case j.Partitioned() || dateLike.MatchString(word):
			return fmt.Errorf("%s has the unknown placeholder %s: write {date} for 2026-01-31, or {date:2006/01/02} with a layout of Go", key, brace)
		}
	}
	return nil
}

// samples are dates of which a layout that leaves anything out mistakes one.
func samples(c Calendar) []Date {
	return []Date{
		c.at(time.Date(2024, 2, 29, 23, 0, 0, 0, time.UTC)),
		c.at(time.Date(2025, 12, 31, 13, 0, 0, 0, time.UTC)),
		c.at(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)),
	}
}

// validateLayout: a layout must have something of the date in it, and nothing that the wall clock does not show.
func validateLayout(l string) error {
	at := time.Date(2025, 12, 31, 13, 0, 0, 0, time.UTC)
	elsewhere := time.Date(2025, 12, 31, 13, 0, 0, 0, time.FixedZone("XST", 5*3600))
	switch {
	case at.Format(l) == time.Date(2014, 6, 17, 4, 0, 0, 0, time.UTC).Format(l):
		return fmt.Errorf("is the same for every date: write the layout as Go does, with 2006 for the year, 01 for the month, 02 for the day and 15 for the hour")
	case at.Format(l) != elsewhere.Format(l):
		return fmt.Errorf("names a time zone: dates are those of the wall clock in `timezone`")
	}
	return nil
}

// validateDistinct: where the output is dated, no two dates may have the same folder.
func (j Job) validateDistinct(c Calendar) error {
	found := layouts(j.Output.Path)
	if len(found) == 0 {
		return nil
	}
	const between = "\x00"
	whole := strings.Join(found, between)
	for _, d := range samples(c) {
		t, err := time.Parse(whole, d.Format(whole))
		if err != nil || c.at(t) != d {
			return fmt.Errorf("output.path %s is the same for one %s and the next: name all of it, as in %s", j.Output.Path, c.Unit, advice(c.Unit))
		}
	}
	return nil
}

// advice is a placeholder that is right for a unit.
func advice(u Unit) string {
	switch u {
	case Hour:
		return "dt={date}/hour={date:15}"
	case Month:
		return "month={date:2006-01}"
	default:
		return "dt={date}"
	}
}
