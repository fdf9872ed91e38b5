//go:build deploy

package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/remote/remotetest"
)

const prometheusConfig = `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: pushgateway
    honor_labels: true
    static_configs: [{targets: ['%s']}]
`

// serve starts a server for the rest of the test and waits until it answers at /-/ready.
func serve(t *testing.T, address, program string, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s said:\n%s", program, said.String())
		}
	})
	eventually(t, "200", func() string { status, _ := get(t, "http://"+address+"/-/ready"); return status })
}

// get asks a server, and returns no status where nothing answers.
func get(t *testing.T, url string) (status string, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		return "", nil
	}
	defer func() { _ = response.Body.Close() }() // it was read
	var content bytes.Buffer
	_, _ = content.ReadFrom(response.Body) // what is missing is noticed below
	return fmt.Sprint(response.StatusCode), content.Bytes()
}

// eventually waits until get returns want.
func eventually(t *testing.T, want string, get func() string) {
	t.Helper()
	got := get()
	for end := time.Now().Add(2 * time.Minute); got != want && time.Now().Before(end); got = get() {
		time.Sleep(100 * time.Millisecond)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// nightly is a job with a Pushgateway and a Prometheus that has the rules.
type nightly struct {
	folder
	gateway    string
	prometheus string
}

func newNightly(t *testing.T) *nightly {
	t.Helper()
	need(t, map[string]string{"prometheus": "prometheus", "prometheus-pushgateway": "prometheus-pushgateway"})
	withinOneDay(t)
	n := &nightly{folder: folder{t, t.TempDir()}, gateway: remotetest.Reserved(t), prometheus: remotetest.Reserved(t)}
	rules, err := filepath.Abs("alerts.yaml")
	n.must(err)
	n.put("prometheus.yml", fmt.Sprintf(prometheusConfig, rules, n.gateway))
	serve(t, n.gateway, "prometheus-pushgateway", "--web.listen-address="+n.gateway,
		"--persistence.file="+filepath.Join(n.at, "pushed")) // Debian's keeps one for the machine
	serve(t, n.prometheus, "prometheus", "--web.listen-address="+n.prometheus, "--config.file="+filepath.Join(n.at, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(n.at, "tsdb"))
	return n
}

// job writes the job file, with more keys.
func (n *nightly) job(more string) {
	n.t.Helper()
	n.put("molecules.yaml", "input: {path: 'data/dt={date}'}\noutput: {path: 'scores/dt={date}'}\n"+
		"metrics: {pushgateway: 'http://"+n.gateway+"'}\n"+more)
}

// day is the name of a date so many days ago.
func day(back int) string { return "dt=" + time.Now().UTC().AddDate(0, 0, -back).Format(time.DateOnly) }

// deliver writes the graphs of a date, of which one may be bad, in the place of what was there and was made of it.
func (n *nightly) deliver(back int, bad bool) {
	n.t.Helper()
	graphs := jobtest.NewGraphs()
	graphs.Width = 16
	if bad {
		graphs.Bad[0] = "nan"
	}
	n.must(os.RemoveAll(filepath.Join(n.at, "scores", day(back))))
	n.must(graphs.WriteFile(filepath.Join(n.at, "data", day(back), "a.parquet"), 5))
}

// night is the command of the templates.
func (n *nightly) night() *exec.Cmd {
	program, err := filepath.Abs(repo + "/bin/graphscore")
	n.must(err)
	_, rest, _ := strings.Cut(unit(n.t, "graphscore@.service")["ExecStart"][0], " ")
	rest = strings.NewReplacer("/etc/graphscore/%i.yaml", "molecules.yaml", `"`, "'").Replace(rest)
	cmd := exec.CommandContext(n.t.Context(), "sh", "-c", "exec "+program+" "+rest)
	cmd.Dir, cmd.Env = n.at, append(os.Environ(), "GRAPHSCORE_PYTHON=", "GRAPHSCORE_PING_URL=")
	return cmd
}

// ends runs a night to its end.
func (n *nightly) ends(code int) {
	n.t.Helper()
	cmd := n.night()
	said, _ := cmd.CombinedOutput() // how it ended is in the code
	if got := cmd.ProcessState.ExitCode(); got != code {
		n.t.Errorf("exit code %d, expected %d:\n%s", got, code, said)
	}
}

// alerts waits until Prometheus has just these, each with its state.
func (n *nightly) alerts(want ...string) {
	n.t.Helper()
	eventually(n.t, strings.Join(want, ", "), func() string {
		var answer struct {
			Data struct {
				Alerts []struct {
					Labels map[string]string
					State  string
				}
			}
		}
		if _, body := get(n.t, "http://"+n.prometheus+"/api/v1/alerts"); json.Unmarshal(body, &answer) != nil {
			return "no answer"
		}
		var found []string
		for _, a := range answer.Data.Alerts {
			if a.Labels["job"] != "molecules" && a.Labels["alertname"] != "GraphscoreNeverRan" {
				n.t.Errorf("an alert of another job: %v", a.Labels)
			}
			found = append(found, strings.TrimPrefix(a.Labels["alertname"], "Graphscore")+" "+a.State)
		}
		return strings.Join(slices.Sorted(slices.Values(found)), ", ")
	})
}

// Prometheus itself, with the rules, hears of nights that push to a Pushgateway: each alert fires for its night, and
// clears with the night that mends it.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	n.alerts("NeverRan pending")
	model, err := filepath.Abs(repo + "/jobs/examples/molecules/model")
	n.must(err)
	local := "model: {path: '" + model + "'}\n"
	n.job(local)
	for back := 2; back <= window; back++ {
		n.deliver(back, false)
	}
	n.ends(66) // nothing of yesterday
	n.alerts("DeliveryMissing firing", "NoSuccess pending")
	n.deliver(1, false)
	n.ends(0)
	n.alerts()

	n.job(local + "gates: {min_graphs: 6}\n")
	n.deliver(1, false)
	n.ends(4)
	n.alerts("DatesMissing firing", "GateFailed firing", "RunFailed firing")
	n.job(local)
	n.ends(0)
	n.alerts()

	n.deliver(1, true)
	n.ends(3)
	n.alerts("Quarantine firing")
	locks, err := filepath.Glob(filepath.Join(n.at, "scores", "_runs", "_dates-*.lock"))
	n.must(err)
	if len(locks) != 1 {
		t.Fatalf("locks above the dates: %q", locks)
	}
	lock := flock.New(locks[0])
	_, err = lock.TryLock()
	n.must(err)
	n.ends(75)
	n.must(lock.Close())
	n.alerts("Quarantine firing", "Waits pending")

	n.deliver(1, false)
	n.job("server: {addresses: ['127.0.0.1:1']}\nlimits: {retry_budget: 10m}\n")
	cmd := n.night()
	n.must(cmd.Start())
	eventually(t, strconv.Itoa(cmd.Process.Pid), func() string { // from then on it asks for its scorer
		var holder struct{ PID int }
		held, _ := os.ReadFile(locks[0])
		_ = json.Unmarshal(held, &holder) // it may be half written
		return strconv.Itoa(holder.PID)
	})
	n.must(cmd.Process.Signal(syscall.SIGTERM))
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 143 {
		t.Errorf("exit code %d, expected 143", cmd.ProcessState.ExitCode())
	}
	n.alerts("DatesMissing firing", "RunFailed firing")
	n.job(local)
	n.ends(0)
	n.alerts()
}
