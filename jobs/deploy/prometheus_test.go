//go:build deploy

package deploy

import (
	"os/exec"
	"testing"
)

// Prometheus's own tool takes the rules, and each alert fires when it should.
func TestAlerts(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"promtool": "prometheus"})
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "testdata/alerts_test.yaml"}} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
