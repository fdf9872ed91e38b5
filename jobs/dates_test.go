package jobs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"graphscore/jobs"
)

// clock is what a clock showed, in RFC 3339.
func clock(t *testing.T, text string) time.Time {
	t.Helper()
	now, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func parse(t *testing.T, c jobs.Calendar, text string) jobs.Date {
	t.Helper()
	d, err := c.Parse(text, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unit               jobs.Unit
		zone, since, until string
		want               string
	}{
		"days over a leap day":       {jobs.Day, "UTC", "2024-02-28", "2024-03-02", "2024-02-28 2024-02-29 2024-03-01"},
		"no leap day":                {jobs.Day, "UTC", "2100-02-28", "2100-03-02", "2100-02-28 2100-03-01"},
		"days over a year's end":     {jobs.Day, "UTC", "2025-12-30", "2026-01-02", "2025-12-30 2025-12-31 2026-01-01"},
		"days, clocks put forward":   {jobs.Day, "Europe/Berlin", "2026-03-28", "2026-03-31", "2026-03-28 2026-03-29 2026-03-30"},
		"days, clocks put back":      {jobs.Day, "America/New_York", "2026-10-31", "2026-11-03", "2026-10-31 2026-11-01 2026-11-02"},
		"midnight that is not there": {jobs.Day, "America/Sao_Paulo", "2018-11-03", "2018-11-06", "2018-11-03 2018-11-04 2018-11-05"},
		"a day that is not there":    {jobs.Day, "Pacific/Apia", "2011-12-29", "2012-01-01", "2011-12-29 2011-12-31"},
		"empty":                      {jobs.Day, "UTC", "2026-01-01", "2026-01-01", ""},
		"backwards":                  {jobs.Day, "UTC", "2026-01-02", "2026-01-01", ""},
		"hours":                      {jobs.Hour, "UTC", "2025-12-31T23", "2026-01-01T01", "2025-12-31T23 2026-01-01T00"},
		"an hour that is not there":  {jobs.Hour, "Europe/Berlin", "2026-03-29T01", "2026-03-29T05", "2026-03-29T01 2026-03-29T03 2026-03-29T04"},
		"an hour that is there twice": {jobs.Hour, "Europe/Berlin", "2026-10-25T01", "2026-10-25T05",
			"2026-10-25T01 2026-10-25T02 2026-10-25T03 2026-10-25T04"},
		"half an hour that is not there": {jobs.Hour, "Australia/Lord_Howe", "2026-10-04T01", "2026-10-04T04",
			"2026-10-04T01 2026-10-04T02 2026-10-04T03"},
		"weeks over a year's end": {jobs.Week, "UTC", "2025-12-24", "2026-01-12", "2025-12-22 2025-12-29 2026-01-05"},
		"months":                  {jobs.Month, "UTC", "2025-11", "2026-03-31", "2025-11 2025-12 2026-01 2026-02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := jobs.Calendar{Unit: test.unit, Location: zone(t, test.zone)}
			var got []string
			for d := range c.Dates(parse(t, c, test.since), parse(t, c, test.until)) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A day has 23, 24 or 25 hours; an hour that is there twice is one date.
func TestHoursOfADay(t *testing.T) {
	t.Parallel()
	c := jobs.Calendar{Unit: jobs.Hour, Location: zone(t, "Europe/Berlin")}
	for _, test := range []struct {
		since, until string
		want         int
	}{{"2026-03-29", "2026-03-30", 23}, {"2026-10-25", "2026-10-26", 24}, {"2026-06-01", "2026-06-02", 24}} {
		got := len(slices.Collect(c.Dates(parse(t, c, test.since), parse(t, c, test.until))))
		if got != test.want {
			t.Errorf("%s has %d hours, expected %d", test.since, got, test.want)
		}
	}
}

func TestPreviousAndCurrent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unit              jobs.Unit
		zone, now         string
		previous, current string
	}{
		"yesterday":                   {jobs.Day, "UTC", "2026-03-01T00:00:00Z", "2026-02-28", "2026-03-01"},
		"yesterday in a leap year":    {jobs.Day, "UTC", "2024-03-01T00:00:00Z", "2024-02-29", "2024-03-01"},
		"it is tomorrow already":      {jobs.Day, "Asia/Tokyo", "2025-12-31T15:00:00Z", "2025-12-31", "2026-01-01"},
		"it is yesterday still":       {jobs.Day, "America/New_York", "2026-01-01T04:59:59Z", "2025-12-30", "2025-12-31"},
		"a night of 23 hours":         {jobs.Day, "Europe/Berlin", "2026-03-29T22:30:00Z", "2026-03-29", "2026-03-30"},
		"after a day that was not":    {jobs.Day, "Pacific/Apia", "2011-12-30T20:00:00Z", "2011-12-29", "2011-12-31"},
		"no unit is days":             {"", "UTC", "2026-03-01T12:00:00Z", "2026-02-28", "2026-03-01"},
		"last hour":                   {jobs.Hour, "UTC", "2026-01-01T00:59:00Z", "2025-12-31T23", "2026-01-01T00"},
		"last hour, clocks forward":   {jobs.Hour, "Europe/Berlin", "2026-03-29T01:10:00Z", "2026-03-29T01", "2026-03-29T03"},
		"last hour, the second of it": {jobs.Hour, "Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01", "2026-10-25T02"},
		"last week":                   {jobs.Week, "UTC", "2026-01-01T12:00:00Z", "2025-12-22", "2025-12-29"},
		"last week, on a Monday":      {jobs.Week, "UTC", "2026-01-05T00:00:00Z", "2025-12-29", "2026-01-05"},
		"last week, on a Sunday":      {jobs.Week, "UTC", "2026-01-04T23:59:59Z", "2025-12-22", "2025-12-29"},
		"last month":                  {jobs.Month, "UTC", "2026-03-31T12:00:00Z", "2026-02", "2026-03"},
		"last month of a year":        {jobs.Month, "UTC", "2026-01-31T12:00:00Z", "2025-12", "2026-01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, now := jobs.Calendar{Unit: test.unit, Location: zone(t, test.zone)}, clock(t, test.now)
			got := [2]string{c.Previous(now).String(), c.Current(now).String()}
			if diff := cmp.Diff([2]string{test.previous, test.current}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRelative(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		unit            jobs.Unit
		zone, now, text string
		want            string
	}{
		"today":                            {jobs.Day, "UTC", "2026-03-01T23:59:00Z", "today", "2026-03-01"},
		"yesterday over a month":           {jobs.Day, "UTC", "2026-03-01T00:00:00Z", "yesterday", "2026-02-28"},
		"the wall clock's day":             {jobs.Day, "Europe/Berlin", "2026-03-01T23:30:00Z", "Yesterday", "2026-03-01"},
		"days":                             {jobs.Day, "UTC", "2026-03-03T04:17:00Z", " 7  days ago", "2026-02-24"},
		"one day":                          {jobs.Day, "UTC", "2026-03-03T04:17:00Z", "1 day ago", "2026-03-02"},
		"weeks":                            {jobs.Day, "UTC", "2026-03-03T04:17:00Z", "2 weeks ago", "2026-02-17"},
		"hours in days":                    {jobs.Day, "UTC", "2026-03-03T04:17:00Z", "5 hours ago", "2026-03-02"},
		"hours":                            {jobs.Hour, "UTC", "2026-03-03T04:17:00Z", "5 hours ago", "2026-03-02T23"},
		"hours over a clock put forward":   {jobs.Hour, "Europe/Berlin", "2026-03-29T01:17:00Z", "1 hour ago", "2026-03-29T01"},
		"days begin with their first hour": {jobs.Hour, "UTC", "2026-03-03T04:17:00Z", "2 days ago", "2026-03-01T00"},
		"days before a clock put back":     {jobs.Day, "Europe/Berlin", "2026-10-26T00:30:00+01:00", "1 day ago", "2026-10-25"},
		"in weeks":                         {jobs.Week, "UTC", "2026-03-04T04:17:00Z", "1 week ago", "2026-02-23"},
		"in months":                        {jobs.Month, "UTC", "2026-03-03T04:17:00Z", "7 days ago", "2026-02"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, now := jobs.Calendar{Unit: test.unit, Location: zone(t, test.zone)}, clock(t, test.now)
			if d, err := c.Parse(test.text, now); err != nil || d.String() != test.want {
				t.Errorf("%s at %s is %s, %v; want %s", test.text, test.now, d, err, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for unit, texts := range map[jobs.Unit][]string{
		jobs.Day:   {"", "2026-13-01", "2026-02-29", "2026-1-1", "20260101", "tomorrow", "7 days", "-1 days ago", "1.5 days ago", "2 months ago", "999999 days ago", "2026-01-01T05"},
		jobs.Hour:  {"2026-01-01T24", "2026-01-01T05:30", "05"},
		jobs.Week:  {"2026-W05", "2026-02-30"},
		jobs.Month: {"2026-13", "2026"},
	} {
		for _, text := range texts {
			if d, err := (jobs.Calendar{Unit: unit}).Parse(text, time.Time{}); err == nil || !strings.Contains(err.Error(), "is not a date: write it as 2026-01") {
				t.Errorf("%s %q: %v, %v", unit, text, d, err)
			}
		}
	}
}

// Whatever the zone, labels ascend, no two are equal, each can be parsed back, and the last that is over is before
// the current one.
func TestDatesProperties(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"}
	rapid.Check(t, func(r *rapid.T) {
		loc, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(r, "zone"))
		if err != nil {
			r.Fatal(err)
		}
		c := jobs.Calendar{Unit: rapid.SampledFrom([]jobs.Unit{jobs.Hour, jobs.Day, jobs.Week, jobs.Month}).Draw(r, "unit"), Location: loc}
		now := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(r, "now"), 0)
		until := c.Current(now)
		since := c.Previous(now)
		if !since.Before(until) {
			r.Fatalf("%s is not before %s", since, until)
		}
		var labels []string
		for d := range c.Dates(c.Current(now.AddDate(0, -2, 0)), until) {
			labels = append(labels, d.String())
			if back, err := c.Parse(d.String(), now); err != nil || back != d {
				r.Fatalf("%s is parsed as %s, %v", d, back, err)
			}
		}
		if !slices.IsSorted(labels) || len(slices.Compact(slices.Clone(labels))) != len(labels) || labels[len(labels)-1] != since.String() {
			r.Fatalf("labels %v, the last one that is over is %s", labels, since)
		}
	})
}
