package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/jobs/jobtest"
	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
	"graphscore/writers"
	"graphscore/writers/record"
)

// nightly is a folder with inputs by date, a job, and a server that scores it.
type nightly struct {
	t           *testing.T
	dir         string
	more        string // of the job file
	server      *remotetest.Native
	address     string
	connections atomic.Int64
}

func newNightly(t *testing.T) *nightly {
	t.Helper()
	n := &nightly{t: t, dir: t.TempDir(), server: remotetest.NewNative(2, "score")}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	n.server.Register(server)
	var group errgroup.Group
	group.Go(func() error { return server.Serve(counted{listener, &n.connections}) })
	t.Cleanup(func() {
		server.Stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	n.address = listener.Addr().String()
	return n
}

// counted counts the connections of a listener.
type counted struct {
	net.Listener
	taken *atomic.Int64
}

func (c counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.taken.Add(1)
	}
	return conn, err
}

// input writes a file of so many graphs for each of the dates.
func (n *nightly) input(count int, dates ...string) {
	n.t.Helper()
	content, err := jobtest.NewGraphs().Encode(count)
	if err != nil {
		n.t.Fatal(err)
	}
	for _, date := range dates {
		folder := filepath.Join(n.dir, "data", "dt="+date)
		if err := os.MkdirAll(folder, 0o777); err != nil {
			n.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "a.parquet"), content, 0o666); err != nil {
			n.t.Fatal(err)
		}
	}
}

// command runs a command over the job in this process, at a time, and gives its streams and its error.
func (n *nightly) command(ctx context.Context, now func() time.Time, args ...string) (stdout, stderr string, err error) {
	n.t.Helper()
	job := filepath.Join(n.dir, "job.yaml")
	text := "name: nightly\ninput: {path: 'data/dt={date}'}\noutput: {path: 'out/dt={date}'}\ntimezone: Europe/Berlin\n" + n.more
	if err := os.WriteFile(job, []byte(text), 0o666); err != nil {
		n.t.Fatal(err)
	}
	args = append([]string{args[0], job, "--server", n.address}, args[1:]...)
	var out, errs bytes.Buffer
	e := &env{stdout: &out, stderr: &errs, start: now(), now: now, args: args}
	root := e.root()
	root.SetArgs(args)
	err = run.Stopped(ctx, root.ExecuteContext(ctx))
	return out.String(), errs.String(), err
}

// fixed is a clock that stands still.
func fixed(t *testing.T, text string) func() time.Time {
	t.Helper()
	now, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return func() time.Time { return now }
}

func (n *nightly) succeeded(date string) bool {
	done, err := writers.NewView(filepath.Join(n.dir, "out", "dt="+date)).Succeeded()
	if err != nil {
		n.t.Fatal(err)
	}
	return done
}

// The date that a run takes by itself is the day before, where the job's clock hangs.
func TestYesterday(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, now, want string }{
		{"after midnight", "2026-03-01T00:30:00Z", "2026-02-28"},
		{"it is the next day there already", "2026-02-28T23:30:00Z", "2026-02-28"},
		{"it is the same day there still", "2026-02-28T22:30:00Z", "2026-02-27"},
		{"leap day", "2024-03-01T12:00:00Z", "2024-02-29"},
		{"new year", "2026-01-01T03:00:00Z", "2025-12-31"},
		{"the day of 23 hours", "2026-03-29T22:15:00Z", "2026-03-29"},
		{"the day of 25 hours", "2026-10-25T23:15:00Z", "2026-10-25"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNightly(t)
			n.input(2, "2024-02-28", "2024-02-29", "2025-12-31", "2026-01-01", "2026-02-27", "2026-02-28", "2026-03-01",
				"2026-03-28", "2026-03-29", "2026-03-30", "2026-10-24", "2026-10-25", "2026-10-26")
			if _, stderr, err := n.command(t.Context(), fixed(t, test.now), "run"); err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			outputs, err := filepath.Glob(filepath.Join(n.dir, "out", "dt=*"))
			if err != nil || len(outputs) != 1 || filepath.Base(outputs[0]) != "dt="+test.want || !n.succeeded(test.want) {
				t.Errorf("outputs %v, expected dt=%s", outputs, test.want)
			}
		})
	}
}

// Without --until a backfill runs what is over, and says so in the command that continues.
func TestBackfillUntilNow(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	n.input(2, "2026-02-27", "2026-02-28", "2026-03-01")
	stdout, stderr, err := n.command(t.Context(), fixed(t, "2026-02-28T23:30:00Z"),
		"backfill", "--since", "2026-02-26", "--require-input")
	if run.ExitCode(err) != exit.NotThere {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if !n.succeeded("2026-02-28") || n.succeeded("2026-03-01") {
		t.Errorf("wrong dates:\n%s", stdout)
	}
	if want := "--since 2026-02-26 --require-input --until 2026-03-01\n"; !strings.Contains(stderr, want) {
		t.Errorf("no %q in\n%s", want, stderr)
	}
}

// A clock that steps costs nothing: every date is scored once, no time is negative, no record overwritten. Dates are those of
// the calendar: a leap day is one, and so are the days on which the clocks of the timezone go forward and back.
func TestClockSteps(t *testing.T) {
	t.Parallel()
	plain := []string{"2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"}
	for _, test := range []struct {
		name, how string
		step      time.Duration
		dates     []string
		until     string
	}{
		{"back", "a clock that steps back an hour at each look, twice over four dates", -time.Hour, plain, "2026-01-05"},
		{"forward", "a clock that steps forward a day at each look, twice over four dates", 24 * time.Hour, plain, "2026-01-05"},
		{"leap day", "a clock that steps back an hour at each look, over a leap day", -time.Hour, []string{"2028-02-28", "2028-02-29", "2028-03-01"}, "2028-03-02"},
		{"summer time", "a clock that steps back an hour at each look, over the day of 23 hours of Europe/Berlin", -time.Hour, []string{"2026-03-28", "2026-03-29", "2026-03-30"}, "2026-03-31"},
		{"winter time", "a clock that steps back an hour at each look, over the day of 25 hours of Europe/Berlin", -time.Hour, []string{"2026-10-24", "2026-10-25", "2026-10-26"}, "2026-10-27"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newNightly(t)
			n.input(3, test.dates...)
			var looks atomic.Int64
			stepping := func() time.Time {
				return time.Date(2028, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(looks.Add(1)) * test.step)
			}
			for _, want := range []struct {
				outcome string
				scored  int
			}{{record.DateScored, 3 * len(test.dates)}, {record.DateDone, 0}} {
				stdout, stderr, err := n.command(t.Context(), stepping, "backfill", "--since", test.dates[0], "--until", test.until, "--json")
				if err != nil {
					t.Fatalf("%v\n%s", err, stderr)
				}
				rec := n.record(stdout)
				if rec.Seconds < 0 || rec.Counts.Scored != int64(want.scored) || len(rec.Dates) != len(test.dates) {
					t.Errorf("%v seconds, %+v", rec.Seconds, rec.Counts)
				}
				for i, d := range rec.Dates {
					if d.Date != test.dates[i] || d.Outcome != want.outcome || d.Seconds < 0 {
						t.Errorf("%+v, expected %s of %s", d, want.outcome, test.dates[i])
					}
				}
			}
			n.count(2, "out/_runs/backfill-*.json")
			n.count(len(test.dates), "out/dt=*/_runs/*.json")
			got, err := jobtest.CountGraphs(filepath.Join(n.dir, "out"))
			if err != nil {
				t.Fatal(err)
			}
			each := len(test.dates)
			faulttest.Report(t, faulttest.Row{Case: "26", How: test.how, Outcome: "0, every date once, then nothing to do, a record each",
				Times: int(looks.Load()), Tally: faulttest.Compare(got, map[string]int{"0": each, "1": each, "2": each})})
		})
	}
}

func (n *nightly) record(stdout string) *record.Backfill {
	n.t.Helper()
	rec := &record.Backfill{}
	if err := json.Unmarshal([]byte(stdout), rec); err != nil {
		n.t.Fatalf("%v in %s", err, stdout)
	}
	return rec
}

func (n *nightly) count(want int, pattern string) {
	n.t.Helper()
	found, err := filepath.Glob(filepath.Join(n.dir, filepath.FromSlash(pattern)))
	if err != nil || len(found) != want {
		n.t.Errorf("%s: %d files, expected %d (%v)", pattern, len(found), want, err)
	}
}

// SIGTERM: what is done stays, the date under way is stopped, dates not begun stay missing, and the record has
// them all. The same command continues.
func TestBackfillStopped(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	n.input(3, "2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	n.server.Before = func(call context.Context, _ *scoringv1.ScoreRequest) error {
		if n.server.Calls() == 3 {
			cancel(&run.SignalError{Signal: syscall.SIGTERM})
			<-call.Done()
			return call.Err()
		}
		return nil
	}
	now := fixed(t, "2026-06-01T00:00:00Z")
	command := []string{"backfill", "--since", "2026-01-01", "--until", "2026-01-06", "--json"}
	stdout, stderr, err := n.command(ctx, now, command...)
	if run.ExitCode(err) != exit.Terminated || !strings.Contains(stderr, "graphscore: to continue: graphscore backfill ") {
		t.Fatalf("%v\n%s", err, stderr)
	}
	rec := n.record(stdout)
	var got []string
	for _, d := range rec.Dates {
		got = append(got, d.Outcome)
	}
	if want := "scored scored stopped not_begun not_begun"; strings.Join(got, " ") != want || rec.ExitCode != exit.Terminated {
		t.Errorf("exit code %d, outcomes %v, expected %s", rec.ExitCode, got, want)
	}
	n.count(3, "out/dt=*")
	n.count(2, "out/dt=*/_SUCCESS")
	n.count(1, "out/_runs/backfill-*.json")
	stdout, stderr, err = n.command(t.Context(), now, command...)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if c := n.record(stdout).Counts; c.Scored != 9 {
		t.Errorf("the second backfill counts %+v", c)
	}
	n.count(5, "out/dt=*/_SUCCESS")
}

// A year of small dates shares one connection and is scored in one call a date. What a date costs is a row of make bench.
func TestBackfillOfAYear(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	var dates []string
	for day := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == 2025; day = day.AddDate(0, 0, 1) {
		dates = append(dates, day.Format(time.DateOnly))
	}
	n.input(3, dates...)
	stdout, stderr, err := n.command(t.Context(), fixed(t, "2026-01-01T12:00:00Z"),
		"backfill", "--since", "2025-01-01", "--until", "2026-01-01", "--json", "--quiet")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	rec := n.record(stdout)
	if len(rec.Dates) != 365 || rec.Counts.Scored != 3*365 || n.server.Calls() != 365 {
		t.Errorf("%d dates, %d graphs scored in %d calls", len(rec.Dates), rec.Counts.Scored, n.server.Calls())
	}
	if c := n.connections.Load(); c > 3 { // the preflight may look twice
		t.Errorf("%d connections for 365 dates", c)
	}
	n.count(365, "out/dt=*/_SUCCESS")
}

// Any number of dates at once: each once, the same files.
func TestBackfillParallel(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	var dates []string
	for day := 1; day <= 28; day++ {
		dates = append(dates, fmt.Sprintf("2026-02-%02d", day))
	}
	n.input(50, dates...)
	now := fixed(t, "2026-06-01T00:00:00Z")
	for _, parallel := range []string{"1", "7", "64"} {
		stdout, stderr, err := n.command(t.Context(), now, "backfill", "--since", "2026-02-01", "--until", "2026-03-01",
			"--parallel", parallel, "--json", "--output", filepath.Join(n.dir, "out"+parallel, "{date}"))
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		if c := n.record(stdout).Counts; c.Scored != 28*50 || c.Files != 28 {
			t.Errorf("--parallel %s counts %+v", parallel, c)
		}
	}
	for _, date := range dates {
		var before []byte
		for _, parallel := range []string{"1", "7", "64"} {
			part, err := os.ReadFile(filepath.Join(n.dir, "out"+parallel, date, "a.parquet"))
			if err != nil || before != nil && !bytes.Equal(part, before) {
				t.Errorf("%s with --parallel %s differs (%v)", date, parallel, err)
			}
			before = part
		}
	}
}
