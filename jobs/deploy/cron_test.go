//go:build deploy

package deploy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

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

// Debian's cron runs the crontab as it is here, but for the hours: a run in the next minute, its check a minute
// later. A broken job beside it gives the one mail.
func TestCron(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"cron": "cron"})
	m := newMachine(t)
	due := time.Now().UTC().Add(20 * time.Second).Truncate(time.Minute).Add(time.Minute)
	crontab := read(t, "crontab")
	_, run, _ := strings.Cut(crontab, "\n17 4 * * * ")
	run, _, _ = strings.Cut(run, "\n")
	crontab += fmt.Sprintf("%d %d * * * %s\n", due.Minute(), due.Hour(), strings.ReplaceAll(run, "molecules", "broken"))
	crontab = at(t, at(t, crontab, "17 4 * * *", due), "37 5 * * 0", due.Add(time.Minute))
	m.put("root/etc/cron.d/graphscore", crontab)
	m.put("root/usr/sbin/sendmail", sendmail)
	m.must(os.Chmod(m.path("root/usr/sbin/sendmail"), 0o755))

	checked := func() bool { return strings.Contains(m.read("log/molecules.log"), "nothing is wrong") }
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Minute)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		for ctx.Err() == nil && !checked() {
			time.Sleep(100 * time.Millisecond)
		}
		stop()
		return nil
	})
	said, _ := m.run(ctx, "cron", "-f", "-L", "15")
	m.must(g.Wait())
	log := m.read("log/molecules.log")
	if !checked() {
		t.Fatalf("cron says %q, the log is %q, the mails are %q", said, log, m.read("log/mails"))
	}
	m.ran(1)
	m.same()
	mails := m.read("log/mails")
	for _, want := range []string{
		"To: root\n", "Cron <graphscore@", "graphscore run broken: exit code 78\n", `unknown field "title"`,
		"<SHELL=/bin/sh>", "<PATH=/opt/graphscore/bin:/usr/local/bin:/usr/bin:/bin>", "<LOGNAME=graphscore>",
	} {
		if !strings.Contains(mails, want) {
			t.Errorf("the mail about the broken job has no %q", want)
		}
	}
	if n := strings.Count(mails, "\nTo: "); n != 1 {
		t.Errorf("%d mails", n)
	}
	if t.Failed() {
		t.Log(mails)
	}
}
