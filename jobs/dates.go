package jobs

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // machines and containers without zone files have to know the job's timezone as well
)

// Unit is the length of a partition.
type Unit string

// The units of `partition` in a job file.
const (
	Hour  Unit = "hour"
	Day   Unit = "day"
	Week  Unit = "week" // begins on Monday and has its date
	Month Unit = "month"
)

// Date is one partition: a day, hour, week or month of the wall clock in the calendar's location. Dates of one
// calendar can be compared with ==.
type Date struct {
	wall time.Time // what the wall clock shows at the start, kept as if it were UTC: no two of a calendar are equal
	unit Unit
}

// String returns 2006-01-02 (of a week its Monday), 2006-01-02T15 or 2006-01.
func (d Date) String() string {
	switch d.unit {
	case Hour:
		return d.wall.Format("2006-01-02T15")
	case Month:
		return d.wall.Format("2006-01")
	default:
		return d.wall.Format(time.DateOnly)
	}
}

// Format returns the start of the date in a layout of package time.
func (d Date) Format(layout string) string { return d.wall.Format(layout) }

// Before says whether d begins before e.
func (d Date) Before(e Date) bool { return d.wall.Before(e.wall) }

// next and previous count on the wall clock, whether or not there is such a time in a location.
func (d Date) next() Date     { return d.step(1) }
func (d Date) previous() Date { return d.step(-1) }

func (d Date) step(n int) Date {
	switch d.unit {
	case Hour:
		d.wall = d.wall.Add(time.Duration(n) * time.Hour)
	case Week:
		d.wall = d.wall.AddDate(0, 0, 7*n)
	case Month:
		d.wall = d.wall.AddDate(0, n, 0)
	default:
		d.wall = d.wall.AddDate(0, 0, n)
	}
	return d
}

// Calendar divides time into dates, by the wall clock of a location.
//
// Where clocks are put forward, the hours that they leave out are not there; where they are put back, the hour
// that comes twice is one date: folders are named by the wall clock, and each name occurs once. A day that a
// location left out (the 30th of December 2011 in Samoa) is not there either.
type Calendar struct {
	// Unit is the length of a date, Day where it is empty.
	Unit Unit
	// Location is where the wall clock hangs, nil for UTC.
	Location *time.Location
}

// Dates yields the dates from since, inclusive, until the other, exclusive, in order.
func (c Calendar) Dates(since, until Date) iter.Seq[Date] {
	return func(yield func(Date) bool) {
		for d := since; d.Before(until); d = d.next() {
			if c.Exists(d) && !yield(d) {
				return
			}
		}
	}
}

// Current is the date that now lies in.
func (c Calendar) Current(now time.Time) Date {
	n := now.In(c.location())
	return c.at(time.Date(n.Year(), n.Month(), n.Day(), n.Hour(), 0, 0, 0, time.UTC))
}

// Previous is the last date that is over: yesterday, the last hour, week or month.
func (c Calendar) Previous(now time.Time) Date {
	d := c.Current(now).previous()
	for !c.Exists(d) {
		d = d.previous()
	}
	return d
}

// Parse reads a date as people write it: 2006-01-02, for hours also 2006-01-02T15, for months also 2006-01. Of a
// week or month any day will do. Relative to now are today, yesterday and N hours, days or weeks ago: the date that
// holds that moment of the wall clock, and in a calendar of hours the first one of that day.
func (c Calendar) Parse(text string, now time.Time) (Date, error) {
	layouts := []string{time.DateOnly}
	example := "2026-01-31"
	switch c.Unit {
	case Hour:
		layouts, example = append(layouts, "2006-01-02T15", "2006-01-02 15", "2006-01-02T15:04"), "2026-01-31T23"
	case Month:
		layouts, example = append(layouts, "2006-01"), "2026-01"
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, text)
		if err == nil && (c.Unit != Hour || t.Minute() == 0) {
			return c.at(t), nil
		}
	}
	if wall, is := c.ago(text, now); is {
		return c.at(wall), nil
	}
	return Date{}, fmt.Errorf("%q is not a date: write it as %s, or as yesterday or 7 days ago", text, example)
}

// Relative reports whether a text is a date relative to now: it means another one tomorrow.
func (c Calendar) Relative(text string) bool {
	_, is := c.ago(text, time.Time{})
	return is
}

// mostAgo is how many units of time ago a date may be.
const mostAgo = 100_000

// ago returns the time of the wall clock that a phrase like "7 days ago" means, at the start of its day unless it
// counts hours. is is false for other texts.
func (c Calendar) ago(text string, now time.Time) (wall time.Time, is bool) {
	words := strings.Fields(strings.ToLower(text))
	n, unit := 0, "day"
	switch {
	case len(words) == 1 && words[0] == "today":
	case len(words) == 1 && words[0] == "yesterday":
		n = 1
	case len(words) == 3 && words[2] == "ago":
		var err error
		if n, err = strconv.Atoi(words[0]); err != nil || n < 0 || n > mostAgo {
			return time.Time{}, false
		}
		unit = strings.TrimSuffix(words[1], "s")
	default:
		return time.Time{}, false
	}
	local := now.In(c.location())
	days := n
	switch unit {
	case "hour":
		local = local.Add(time.Duration(-n) * time.Hour)
		return time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), 0, 0, 0, time.UTC), true
	case "day":
	case "week":
		days = 7 * n
	default:
		return time.Time{}, false
	}
	return time.Date(local.Year(), local.Month(), local.Day()-days, 0, 0, 0, 0, time.UTC), true
}

func (c Calendar) location() *time.Location {
	if c.Location == nil {
		return time.UTC
	}
	return c.Location
}

// at is the date that holds a time of the wall clock.
func (c Calendar) at(wall time.Time) Date {
	y, m, day := wall.Date()
	d := Date{unit: c.Unit}
	switch c.Unit {
	case Hour:
		d.wall = wall.Truncate(time.Hour)
	case Week:
		monday := day - (int(wall.Weekday())+6)%7
		d.wall = time.Date(y, m, monday, 0, 0, 0, 0, time.UTC)
	case Month:
		d.wall = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	default:
		d.unit = Day
		d.wall = time.Date(y, m, day, 0, 0, 0, 0, time.UTC)
	}
	return d
}

// Exists says whether the wall clock of the location ever shows the date.
func (c Calendar) Exists(d Date) bool {
	y, m, day := d.wall.Date()
	switch d.unit {
	case Hour:
		// Clocks may jump within the hour (Lord Howe by 30 minutes): the hour is there if either end of it is.
		first := time.Date(y, m, day, d.wall.Hour(), 0, 0, 0, c.location())
		last := time.Date(y, m, day, d.wall.Hour(), 59, 59, 0, c.location())
		return first.Hour() == d.wall.Hour() || last.Hour() == d.wall.Hour()
	case Day:
		return time.Date(y, m, day, 12, 0, 0, 0, c.location()).Day() == day
	default:
		return true
	}
}
