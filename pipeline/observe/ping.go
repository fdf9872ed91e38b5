package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"graphscore/pipeline/exit"
)

const (
	pingTimeout  = 2 * time.Second // for one attempt at a ping, of which there are two
	endPatience  = 5 * time.Second // how long the end of a run waits for its pings
	maxPingBytes = 10 << 10        // what monitors keep of a body
)

// PingConfig says whom to ping.
type PingConfig struct {
	// URL is that of the check. It is a secret. Empty: nobody is pinged.
	URL string
	// RunID names the run: its pings carry it as a UUID that is made from it.
	RunID string
	// Log takes the one warning. Default: none.
	Log *slog.Logger
}

// Pinger pings for one run. Start may be called once, then End.
type Pinger struct {
	url     *url.URL // nil: nobody is pinged
	rid     string
	client  *http.Client
	log     *slog.Logger
	started bool
	group   errgroup.Group // the ping of the start
	warn    sync.Once
}

// Ending is how a run ends, as its pings say it.
type Ending struct {
	// Code is the exit code.
	Code int
	// Text is for people.
	Text string
	// PartlyFails says that a run which did not score everything (3) is a failure. Without it, it is a success.
	PartlyFails bool
}

// NewPinger makes a pinger. Where the URL cannot be one, it warns, and pings nobody.
func NewPinger(ctx context.Context, cfg PingConfig) *Pinger {
	p := &Pinger{log: cfg.Log, rid: uuid.NewSHA1(uuid.NameSpaceOID, []byte("graphscore run "+cfg.RunID)).String()}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if cfg.URL == "" {
		return p
	}
	u, err := parsePingURL(cfg.URL)
	if err != nil {
		p.log.WarnContext(ctx, "no ping is sent: "+err.Error())
		return p
	}
	p.url, p.client = u, oneOff(pingTimeout)
	return p
}

// CheckPingURL says why nothing can be pinged by a URL, without the URL, which is a secret.
func CheckPingURL(address string) error {
	_, err := parsePingURL(address)
	return err
}

func parsePingURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("its URL is none of http:// or https:// with a host")
	}
	return u, nil
}

// oneOff is a client that leaves no connection and no goroutine behind, and does not carry secrets elsewhere.
func oneOff(patience time.Duration) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	return &http.Client{
		Timeout: patience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Start pings URL/start beside the run. It is called once the run holds its output and has work to do: a monitor waits for
// the end of what it has seen start. End waits for the ping, or makes it.
func (p *Pinger) Start(ctx context.Context) {
	if p.url == nil {
		return
	}
	p.started = true
	ctx = context.WithoutCancel(ctx) // a signal ends the run, not what is said of it
	p.group.Go(func() error {
		p.ping(ctx, "start", "")
		return nil
	})
}

// End pings URL/<code> with the text, and blocks until all pings are through or given up: 5 s at most. A run that is
// to be tried again later (75) has neither succeeded nor failed, and pings nothing. One that did not score everything (3)
// leaves the text at URL/log, which changes no state, and then pings the success, URL/0, unless it is a failure.
func (p *Pinger) End(ctx context.Context, end Ending) {
	if p.url == nil {
		return
	}
	if end.Code == exit.Locked {
		_ = p.group.Wait()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	if !p.started {
		p.Start(ctx)
	}
	_ = p.group.Wait() // the ping of the start has logged its own error
	code := end.Code
	if code == exit.Partly && !end.PartlyFails {
		p.ping(ctx, "log", end.Text)
		code = exit.Done
	}
	p.ping(ctx, strconv.Itoa(code), end.Text)
}

// ping makes up to two attempts and warns where both fail.
func (p *Pinger) ping(ctx context.Context, what, text string) {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, p.attempt(ctx, what, text) },
		backoff.WithBackOff(backoff.NewConstantBackOff(200*time.Millisecond)), backoff.WithMaxTries(2))
	if err == nil {
		return
	}
	p.warn.Do(func() {
		p.log.WarnContext(ctx, "a ping was not delivered: the monitor may raise an alarm though the run goes on",
			"url", masked(p.url), "ping", what, "error", unaddressed(err))
	})
}

func (p *Pinger) attempt(ctx context.Context, what, text string) error {
	u := p.url.JoinPath(what)
	query := u.Query()
	query.Set("rid", p.rid)
	u.RawQuery = query.Encode()
	body := strings.NewReader(strings.ToValidUTF8(text[:min(len(text), maxPingBytes)], "?"))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), body)
	if err != nil {
		return backoff.Permanent(err)
	}
	request.Header.Set("User-Agent", "graphscore")
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // its answer is the status
	_, _ = io.CopyN(io.Discard, response.Body, 1<<10)
	switch code := response.StatusCode; {
	case code < 300:
		return nil
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fmt.Errorf("it answered %s", response.Status)
	default:
		return backoff.Permanent(fmt.Errorf("it answered %s", response.Status))
	}
}

// unaddressed says what went wrong without the URL, which may hold a secret.
func unaddressed(err error) string {
	var at *url.Error
	switch timed := errors.As(err, &at) && at.Timeout(); {
	case timed || errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case at != nil:
		return at.Err.Error()
	default:
		return err.Error()
	}
}
