package deploy

import (
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/exit"
	"graphscore/pipeline/observe"
)

// heard is a row of the table in README.md on what each channel hears of a code.
type heard struct{ night, mail, systemd, ping, alerts string }

// table returns the rows by their codes; a code that is twice in it is an error.
func table(t *testing.T) map[int]heard {
	t.Helper()
	_, text, _ := strings.Cut(read(t, "README.md"), "\n| code | the night |")
	text, _, _ = strings.Cut(text, "\n\n")
	rows := map[int]heard{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 8 || strings.Trim(cells[1], "0123456789, ") != "" {
			continue // the header
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		for _, code := range numbers(t, strings.ReplaceAll(cells[1], ",", " ")) {
			if _, twice := rows[code]; twice {
				t.Errorf("%d has two rows", code)
			}
			rows[code] = heard{night: cells[2], mail: cells[3], systemd: cells[4], ping: cells[5], alerts: cells[6]}
		}
	}
	return rows
}

// pinged returns what a run pings that ends with a code.
func pinged(t *testing.T, code int, partlyFails bool) string {
	t.Helper()
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		paths = append(paths, "/"+path.Base(r.URL.Path))
	}))
	defer server.Close()
	p := observe.NewPinger(t.Context(), observe.PingConfig{URL: server.URL})
	p.End(t.Context(), observe.Ending{Code: code, PartlyFails: partlyFails})
	return strings.Join(paths, " ")
}

// The table has every code once, and each cell is what the unit, the pings and the rules make of it.
func TestChannels(t *testing.T) {
	t.Parallel()
	rows := table(t)
	service := unit(t, "graphscore@.service")
	good := append([]int{exit.Done}, numbers(t, service["SuccessExitStatus"][0])...)
	once := numbers(t, service["RestartPreventExitStatus"][0])
	notFailed := numbers(t, strings.Join(regexp.MustCompile(`\d+`).FindAllString(alertOn(t, "GraphscoreRunFailed"), -1), " "))
	for _, e := range exit.Table() {
		row, is := rows[e.Code]
		if delete(rows, e.Code); !is {
			t.Errorf("README.md does not say what is heard of %d (%s)", e.Code, e.Meaning)
			continue
		}
		systemd := "failed, and tried again"
		switch {
		case slices.Contains(good, e.Code):
			systemd = "success"
		case e.Code == exit.Locked:
			systemd = "tried again"
		case slices.Contains(once, e.Code):
			systemd = "failed"
		}
		if diff := cmp.Diff(systemd, row.systemd); diff != "" {
			t.Errorf("systemd and %d:\n%s", e.Code, diff)
		}
		word := map[bool]string{true: "failure", false: strings.Split(row.night, ",")[0]}[strings.HasPrefix(systemd, "failed")]
		if !strings.HasPrefix(row.night, word) || word == "failure" && row.mail != "failure" {
			t.Errorf("%d is a %q for systemd, and the night is called %q, its mail %q", e.Code, word, row.night, row.mail)
		}
		ping := "/start " + strings.ReplaceAll(strings.ReplaceAll(row.ping, "`/CODE`", "`/"+strconv.Itoa(e.Code)+"`"), "`", "")
		switch e.Code {
		case exit.Locked:
			ping = strings.TrimPrefix(ping, "/start none")
		case exit.Partly:
			ping = "/start /log /0"
			if got := pinged(t, e.Code, true); got != "/start /3" || row.ping != "`/log`, then `/0`; with `ping: {partly: failure}` in the job, `/3`" {
				t.Errorf("3 as a failure pings %q, README.md has %q", got, row.ping)
			}
		}
		if diff := cmp.Diff(ping, pinged(t, e.Code, false)); diff != "" {
			t.Errorf("pings of %d:\n%s", e.Code, diff)
		}
		if fires := !slices.Contains(notFailed, e.Code); fires != (row.alerts == "`GraphscoreRunFailed`") {
			t.Errorf("GraphscoreRunFailed fires on %d: %v, README.md has %q", e.Code, fires, row.alerts)
		}
		for _, name := range regexp.MustCompile("Graphscore[A-Za-z]+").FindAllString(row.alerts, -1) {
			alertOn(t, name)
		}
	}
	if len(rows) > 0 {
		t.Errorf("README.md has codes that the program does not: %v", rows)
	}
}

// alertOn returns the expression of an alert, which must exist.
func alertOn(t *testing.T, name string) string {
	t.Helper()
	for _, r := range rules(t) {
		if r.Alert == name {
			return r.Expr
		}
	}
	t.Errorf("alerts.yaml has no %s", name)
	return ""
}
