//go:build deploy

package deploy

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// sendmail takes cron's mails.
const sendmail = "#!/bin/sh\nexec cat >>/var/log/graphscore/mails\n"

// at puts a line of the crontab at a minute.
func at(t *testing.T, crontab, when string, due time.Time) string {
	t.Helper()
	if strings.Count(crontab, "\n"+when+" ") != 1 {
		t.Fatalf("crontab has no line at %q", when)
	}
	return strings.Replace(crontab, "\n"+when+" ", fmt.Sprintf("\n%d %d * * * ", due.Minute(), due.Hour()), 1)
}

// nights are jobs beside molecules by what their nights end with, and the pings of it.
var nights = map[string]struct {
	code  int
	pings string
	mail  string // a line of it
}{
	"broken":  {78, "start 78", `unknown field .*title`},
	"partly":  {3, "start log 0", "non_finite_feature"},
	"strict":  {3, "start 3", "non_finite_feature"},
	"gated":   {4, "start 4", "min_graphs"},
	"late":    {66, "start 66", "2 of 7 dates had no input"},
	"early":   {75, "", "_DONE"},
	"patient": {143, "start 143", "stopped by SIGTERM"},
}

// Debian's cron runs the crontab as it is here, but for the hours: a night in the next minute, its check two minutes
// later. Beside it are nights that end otherwise: each gives a mail and pings, molecules gives no mail.
func TestCron(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"cron": "cron", "ip": "iproute2"})
	m := newMachine(t)
	due := time.Now().UTC().Add(40 * time.Second).Truncate(time.Minute).Add(time.Minute)
	crontab := read(t, "crontab")
	_, night, _ := strings.Cut(crontab, "\n17 4 * * * graphscore ")
	night, _, _ = strings.Cut(night, "\n")
	for job := range nights {
		command := strings.ReplaceAll(night, "molecules", job)
		if job == "patient" {
			command = "timeout --preserve-status 7 " + command
		}
		crontab += fmt.Sprintf("%d %d * * * graphscore GRAPHSCORE_PING_URL=http://127.0.0.1:8080/%s %s\n", due.Minute(), due.Hour(), job, command)
	}
	crontab = at(t, at(t, crontab, "17 4 * * *", due), "37 5 * * 0", due.Add(2*time.Minute))
	m.put("root/etc/cron.d/graphscore", crontab)
	m.put("root/usr/sbin/sendmail", sendmail)
	m.must(os.Chmod(m.path("root/usr/sbin/sendmail"), 0o755))

	checked := func() bool { return strings.Contains(m.read("log/molecules.log"), `"found_wrong":0`) }
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		for ctx.Err() == nil && !checked() {
			time.Sleep(100 * time.Millisecond)
		}
		stop()
		return nil
	})
	const start = "ip link set lo up; /opt/python/bin/python3 /opt/graphscore/jobs/deploy/testdata/monitor.py " +
		">/var/log/graphscore/pings & exec cron -f -L 15"
	said, _ := m.run(ctx, "sh", "-c", start)
	m.must(g.Wait())
	if log := m.read("log/molecules.log"); !checked() {
		t.Fatalf("cron says %q, the log is %q, the mails are %q", said, log, m.read("log/mails"))
	}
	m.ran(1)
	m.same()
	heardOf(t, m)
}

// heardOf checks the mails and the pings of nights.
func heardOf(t *testing.T, m *machine) {
	t.Helper()
	mails := strings.Split(m.read("log/mails"), "\nTo: ")[1:]
	if len(mails) != len(nights) {
		t.Errorf("%d mails, expected %d", len(mails), len(nights))
	}
	pings := m.read("log/pings")
	for job, night := range nights {
		var got []string
		for line := range strings.Lines(pings) {
			if what, is := strings.CutPrefix(strings.TrimSpace(line), "/"+job+"/"); is {
				got = append(got, what)
			}
		}
		if diff := cmp.Diff(night.pings, strings.Join(got, " ")); diff != "" {
			t.Errorf("pings of %s:\n%s", job, diff)
		}
		code := fmt.Sprintf("graphscore backfill %s: exit code %d\n", job, night.code)
		said := regexp.MustCompile(night.mail)
		if !slices.ContainsFunc(mails, func(mail string) bool { return strings.Contains(mail, code) && said.MatchString(mail) }) {
			t.Errorf("no mail has %q and %q", code, said)
		}
	}
	for _, want := range []string{
		"root\n", "Cron <graphscore@", "<SHELL=/bin/sh>", "<PATH=/opt/graphscore/bin:/usr/local/bin:/usr/bin:/bin>", "<LOGNAME=graphscore>",
	} {
		if len(mails) > 0 && !strings.Contains(mails[0], want) {
			t.Errorf("the mail has no %q:\n%s", want, mails[0])
		}
	}
	if t.Failed() {
		t.Log(mails, pings)
	}
}
