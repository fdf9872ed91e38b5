package observe

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
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

// backfillGroup is the label, beside the job, of the group of backfills.
const backfillGroup = "command"

// Push sends the metrics to the Pushgateway, in the group of the job or in that of its backfills; those that it does not
// name stay there. It asks for what is there before, and goes on without where the Pushgateway does not show it. It blocks
// 3 s at most. The error is a *NotOursError where the group is that of another job, and stays, and a *LostError where a
// count was pushed that begins anew.
func (g Pushgateway) Push(ctx context.Context, l *LastRun) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushPatience)
	defer cancel()
	before, err := g.standing(ctx, l)
	var lost *LostError
	if err != nil && !errors.As(err, &lost) {
		return fmt.Errorf("pushing to %s: %s", g.URL, unaddressed(err))
	}
	if err := l.mayReplace(before, "the group of job "+l.Job.Name+" at "+g.URL, "delete the group there, as curl -X DELETE does"); err != nil {
		return err
	}
	registry := prometheus.NewRegistry() // without the label: the group has it
	if err := l.gather(registry, before); err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	pusher := push.New(g.URL, l.Job.Name).Gatherer(registry).Client(oneOff(pushPatience))
	if l.Backfill {
		pusher.Grouping(backfillGroup, "backfill")
	}
	header := http.Header{}
	g.authorize(header)
	if err := pusher.Header(header).AddContext(ctx); err != nil {
		return fmt.Errorf("pushing to %s: %s", g.URL, refusal(err))
	}
	if lost != nil && l.TurnedAway { // of all other figures nothing is taken over
		return lost
	}
	return nil
}

// maxStanding is how much of the metrics of a Pushgateway is read.
const maxStanding = 64 << 20

// standing asks for the group that l is pushed to. The error is a *LostError where the Pushgateway does not show its
// metrics, else that of one which does not answer.
func (g Pushgateway) standing(ctx context.Context, l *LastRun) (standing, error) {
	answer, err := g.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it is read
	place := "the group of job " + l.Job.Name + " at " + g.URL
	if answer.StatusCode != http.StatusOK {
		return nil, &LostError{place, fmt.Sprintf("could not be asked for (it answered %d)", answer.StatusCode)}
	}
	before, err := readStanding(io.LimitReader(answer.Body, maxStanding), func(labels map[string]string) bool {
		return labels["job"] == l.Job.Name && (labels[backfillGroup] != "") == l.Backfill
	})
	if err != nil {
		return nil, &LostError{place, "could not be asked for (the answer is no metrics)"}
	}
	return before, nil
}

// authorize says who asks.
func (g Pushgateway) authorize(header http.Header) {
	switch {
	case g.User != "":
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(g.User+":"+g.Password)))
	case g.Password != "":
		header.Set("Authorization", "Bearer "+g.Password)
	}
}

// get asks for a path below the URL. The caller closes the body.
func (g Pushgateway) get(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(g.URL, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	g.authorize(request.Header)
	return oneOff(pushPatience).Do(request)
}

// Ready asks the Pushgateway whether it is ready, and pushes nothing. It blocks 3 s at most.
func (g Pushgateway) Ready(ctx context.Context) error {
	answer, err := g.get(ctx, "/-/ready")
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
