package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"graphscore/pipeline/display"
)

// WriteText writes the report for a terminal, as [Report.WriteText] does.
func (d *Dates) WriteText(w io.Writer) error {
	t := &textPage{}
	t.line(0, "%s: %s", orName(d.Name), d.Root)
	t.words(2, strings.ToUpper(string(d.State))+". "+d.Summary)
	if b := d.Backfill; b != nil {
		t.line(2, "backfill %s from %s to before %s, %s, exit code %d", b.ID, b.Since, b.Until, display.Duration(b.Seconds), b.ExitCode)
		if b.Error != "" {
			t.words(2, b.Error)
		}
	}
	for _, n := range d.Notes {
		t.words(2, "! "+n)
	}
	t.title("dates")
	rows := [][]string{{"date", "state", "exit", "scored", "planned", "quarantine", "graphs/s", "PSI", "KS"}}
	for i := range d.Dates {
		date := &d.Dates[i]
		psi, ks := date.distances()
		rows = append(rows, []string{
			date.Date, string(date.State), date.Exit(), comma(date.Scored), comma(date.Known()),
			display.Percent(date.Share), comma(int64(date.PerSecond)), psi, ks,
		})
	}
	t.table(rows)
	most := 0.0
	for _, date := range d.Dates {
		most = max(most, float64(date.Scored))
	}
	if most > 0 {
		t.title("graphs scored, by date")
		for _, date := range d.Dates {
			t.bar(fmt.Sprintf("%10s", date.Date), float64(date.Scored), most, comma(date.Scored))
		}
	}
	for _, date := range d.Dates {
		if date.State != Done {
			t.title("%s: %s", date.Date, date.State)
			t.words(2, date.Summary)
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// WriteJSON writes the report as indented JSON with a newline at its end. Every key is always there; backfill and the
// drift of a date may be null.
func (d *Dates) WriteJSON(w io.Writer) error { return display.JSON(w, d) }

// Exit writes the exit code of the last run, a dash where it left none.
func (d *Date) Exit() string {
	if d.Started == "" && d.ExitCode == 0 {
		return "–"
	}
	return strconv.Itoa(d.ExitCode)
}

// Known is how many graphs the date has as far as its records and parts say.
func (d *Date) Known() int64 { return max(d.Planned, d.Graphs) }

// distances writes PSI and KS, a dash where nothing was compared.
func (d *Date) distances() (psi, ks string) {
	if d.Drift == nil {
		return "–", "–"
	}
	return rounded(d.Drift.PSI), rounded(d.Drift.KS)
}

// rounded has three decimals, as the distances of a list are compared with each other.
func rounded(v float64) string {
	if v != 0 && math.Abs(v) < 0.0005 {
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", v)
}
