//go:build deploy

package deploy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newSystemd has the units where they belong. What is not of a test is made shorter: the random delay.
func newSystemd(t *testing.T) *machine {
	t.Helper()
	need(t, map[string]string{"systemd-analyze": "systemd"})
	m := newMachine(t)
	for _, name := range []string{"graphscore@.service", "graphscore@.timer"} {
		m.put("root/etc/systemd/system/"+name, read(t, name))
	}
	for _, job := range []string{"molecules", "late", "partly", "gated", "early", "away", "patient", "broken"} {
		m.put("root/etc/credstore/graphscore."+job+".ping_url", "http://127.0.0.1:8080/"+job+"\n")
		if job != "molecules" {
			m.put("root/etc/systemd/system/graphscore@"+job+".service.d/place.conf", "[Service]\nReadWritePaths=/srv/graphscore/molecules/scores\n")
		}
	}
	m.put("root/etc/systemd/system/graphscore@.timer.d/now.conf", "[Timer]\nRandomizedDelaySec=0\n")
	return m
}

// systemd finds nothing to say about the units, and little that an intruder could do.
func TestUnits(t *testing.T) {
	t.Parallel()
	m := newSystemd(t)
	const units = "/etc/systemd/system/"
	if said, code := m.run(t.Context(), "systemd-analyze", "verify", units+"graphscore@.service", units+"graphscore@.timer"); code != 0 || said != "" {
		t.Errorf("verify: code %d, %s", code, said)
	}
	// 0 is a unit that can do nothing, 10 one of no bounds.
	if said, code := m.run(t.Context(), "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=13", units+"graphscore@.service"); code != 0 {
		t.Errorf("security: code %d, %s", code, said)
	}
}

// systemd itself runs the units, on a machine of its own.
func TestSystemd(t *testing.T) {
	t.Parallel()
	m := newSystemd(t)
	m.put("root/etc/graphscore/outside.yaml", strings.NewReplacer("molecules/scores", "outside/scores", "name: molecules", "name: outside").Replace(read(t, "molecules.yaml")))
	m.put("root/etc/systemd/system/up.service", `[Unit]
DefaultDependencies=no
Requires=sysinit.target
After=sysinit.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh /opt/graphscore/jobs/deploy/testdata/systemd.sh
StandardOutput=file:/var/log/graphscore/said
StandardError=inherit
`)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	console, code := m.run(ctx, "/lib/systemd/systemd", "--system", "--unit=up.service", "--log-target=journal")
	want := read(t, "testdata/systemd.golden")
	if diff := cmp.Diff(want, m.read("log/said")); diff != "" || code != 0 {
		t.Errorf("code %d\n%s\n%s", code, diff, console)
	}
	m.ran(2)
	m.same()
}
