package observe

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
)

const pushPatience = 3 * time.Second

// PushUserVariable is the environment variable of the user of the Pushgateway, which is no secret.
const PushUserVariable = "GRAPHSCORE_PUSHGATEWAY_USER"

// Pushgateway is where metrics are pushed to, and as whom.
type Pushgateway struct {
	// URL has neither user nor password in it.
	URL string
	// User and Password are for basic authentication; a password alone is sent as a bearer token.
	User, Password string
}

// Push sends the metrics to the Pushgateway, in the group of the job; those that it does not name stay there. It
// blocks 3 s at most.
func (g Pushgateway) Push(ctx context.Context, l *LastRun) error {
	registry := prometheus.NewRegistry() // without the label: the group has it
	if err := l.gather(registry, 0); err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	pusher := push.New(g.URL, l.Job).Gatherer(registry).Client(oneOff(pushPatience))
	switch {
	case g.User != "":
		pusher.BasicAuth(g.User, g.Password)
	case g.Password != "":
		pusher.Header(http.Header{"Authorization": {"Bearer " + g.Password}})
	}
	if err := pusher.AddContext(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("pushing to %s: %s", g.URL, refusal(err))
	}
	return nil
}

// Ready asks the Pushgateway whether it is ready, and pushes nothing. It blocks 3 s at most.
func (g Pushgateway) Ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(g.URL, "/")+"/-/ready", nil)
	if err != nil {
		return fmt.Errorf("asking %s: %s", g.URL, unaddressed(err))
	}
	switch {
	case g.User != "":
		request.SetBasicAuth(g.User, g.Password)
	case g.Password != "":
		request.Header.Set("Authorization", "Bearer "+g.Password)
	}
	answer, err := oneOff(pushPatience).Do(request)
	if err != nil {
		return fmt.Errorf("asking %s: %s", g.URL, unaddressed(err))
	}
	defer func() { _ = answer.Body.Close() }() // nothing of it is read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("asking %s/-/ready: it answered %d", strings.TrimSuffix(g.URL, "/"), answer.StatusCode)
	}
	return nil
}

var answered = regexp.MustCompile(`unexpected status code (\d+)`)

// refusal is the reason of a push that failed, without what the server says at length.
func refusal(err error) string {
	text := unaddressed(err)
	if code := answered.FindStringSubmatch(text); code != nil {
		return "it answered " + code[1]
	}
	return strings.Join(strings.Fields(text), " ")
}
