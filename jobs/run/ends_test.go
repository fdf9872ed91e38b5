package run

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
)

// A signal takes the place of errors that only say that the context ended.
func TestStopped(t *testing.T) {
	t.Parallel()
	signalled, cancel := context.WithCancelCause(t.Context())
	cancel(&SignalError{syscall.SIGTERM})
	canceled, stop := context.WithCancel(t.Context())
	stop()
	odd := errors.New("odd")
	var signal *SignalError
	if err := Stopped(signalled, context.Canceled); !errors.As(err, &signal) || signal.Signal != syscall.SIGTERM {
		t.Errorf("a canceled call: %v", err)
	}
	if err := Stopped(signalled, errors.Join(odd, context.Canceled)); !errors.As(err, &signal) {
		t.Errorf("a canceled call among others: %v", err)
	}
	if err := Stopped(signalled, odd); !errors.Is(err, odd) {
		t.Errorf("another error: %v", err)
	}
	if err := Stopped(signalled, nil); err != nil {
		t.Errorf("what ended before the signal: %v", err)
	}
	if err := Stopped(canceled, context.Canceled); !errors.Is(err, context.Canceled) || errors.As(err, &signal) {
		t.Errorf("without a signal: %v", err)
	}
	for s, want := range map[syscall.Signal]string{syscall.SIGINT: "stopped by SIGINT;", syscall.SIGTERM: "stopped by SIGTERM;"} {
		if got := (&SignalError{s}).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%v: %q", s, got)
		}
	}
}

// Of the end of a command and what failed after it, one is returned and no other is lost.
func TestFirstFailure(t *testing.T) {
	t.Parallel()
	outcome, failed, after := &OutcomeError{Code: 3}, errors.New("failed"), errors.New("after")
	for name, test := range map[string]struct{ ended, after, want, logged error }{
		"nothing":                    {nil, nil, nil, nil},
		"an outcome":                 {outcome, nil, outcome, nil},
		"a failure":                  {failed, nil, failed, nil},
		"a failure after":            {nil, after, after, nil},
		"a failure after an outcome": {outcome, after, after, nil},
		"two failures":               {failed, after, failed, after},
	} {
		var log bytes.Buffer
		got := FirstFailure(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), test.ended, test.after)
		if !errors.Is(got, test.want) {
			t.Errorf("%s: %v", name, got)
		}
		if (log.Len() > 0) != (test.logged != nil) || test.logged != nil && !strings.Contains(log.String(), test.logged.Error()) {
			t.Errorf("%s: logged %q", name, &log)
		}
	}
}
