package remote

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/graph"
)

// Kind says what a failure means for the run.
type Kind uint8

// The kinds of failures.
const (
	// Other has no better name.
	Other Kind = iota
	// Unavailable: no server answers, or it fails on calls that should work. Most are worth another attempt.
	Unavailable
	// Contract: the server breaks the protocol or speaks another one. Nothing of its answer is used.
	Contract
	// Auth: TLS settings or credentials are wrong.
	Auth
	// Refused: the server, or the message limit, refuses what is in the batch.
	Refused
)

// String returns a word for messages and logs.
func (k Kind) String() string {
	switch k {
	case Unavailable:
		return "unavailable"
	case Contract:
		return "contract"
	case Auth:
		return "auth"
	case Refused:
		return "refused"
	default:
		return "other"
	}
}

// Error is a failed call or preflight.
type Error struct {
	Kind Kind
	// Address is the server's, empty where it is not known.
	Address string
	// Code is the status of the call; OK where the call succeeded and its answer is wrong.
	Code codes.Code
	// Message is one sentence for people.
	Message string

	reason    graph.Code
	retry     bool
	after     time.Duration
	suspicion graph.Suspicion
}

// Error names the server where it is known, and what is wrong.
func (e *Error) Error() string {
	if e.Address == "" || e.Kind == Refused {
		return e.Message
	}
	return fmt.Sprintf("scorer at %s: %s", e.Address, e.Message)
}

// Retryable says whether another attempt may succeed.
func (e *Error) Retryable() bool { return e.retry }

// RetryAfter is how long the server asked to wait before the next attempt, 0 where it did not. It is at most a
// minute: a server cannot park a run.
func (e *Error) RetryAfter() time.Duration { return e.after }

// Refused says whether the batch's content is at fault, with the code and the message for the quarantine. They
// are meaningful where the batch holds one graph.
func (e *Error) Refused() (code graph.Code, message string, refused bool) {
	return e.reason, e.Message, e.Kind == Refused
}

// Suspicion says how far the batch may have caused the failure.
func (e *Error) Suspicion() graph.Suspicion { return e.suspicion }

// broken is an answer that breaks the contract.
func broken(address, format string, args ...any) *Error {
	return &Error{Kind: Contract, Address: address, Message: fmt.Sprintf(format, args...)}
}

// tooLarge refuses a batch that no message can hold.
func tooLarge(size, limit int64) *Error {
	return &Error{
		Kind: Refused, Code: codes.ResourceExhausted, reason: graph.TooLarge,
		Message: fmt.Sprintf("its message of %d bytes is larger than the limit of %d bytes", size, limit),
	}
}

// callError says what the failure of a call means. It returns the error of ctx, which is the caller's context and
// not the one with the deadline of the call, where that has ended.
func callError(ctx context.Context, err error, c *call) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	st := status.Convert(err)
	if st.Code() == codes.DeadlineExceeded && c.callers {
		return context.DeadlineExceeded // the server's clock was a little faster than ours
	}
	e := &Error{Code: st.Code(), Address: c.address(), Message: sentence(st.Message())}
	if c.garbled || unreadable(st) {
		e.Kind, e.Message = Contract, "its answer is no message of the "+c.protocol+" protocol: "+e.Message
		return e
	}
	e.suspicion = c.suspect(st)
	switch st.Code() {
	case codes.InvalidArgument:
		e.Kind, e.reason = Refused, graph.Refused
	case codes.Unauthenticated, codes.PermissionDenied:
		e.Kind, e.Message = Auth, "it does not accept the credentials: "+e.Message
	case codes.Unimplemented:
		e.Kind, e.Message = Contract, c.unimplemented(e.Message)
	case codes.FailedPrecondition:
		e.Kind, e.Message = Contract, "it cannot serve this run: "+e.Message
	case codes.ResourceExhausted:
		if strings.Contains(strings.ToLower(e.Message), "larger than max") {
			e.Kind, e.reason = Refused, graph.TooLarge
			break
		}
		if strings.Contains(e.Message, "metadata size exceeds") { // that of a token, or of a proxy: any call is too large
			e.Kind, e.Message = Contract, "it takes no call with so much metadata (a token, or what a proxy adds): "+e.Message
			break
		}
		e.Kind, e.retry, e.Message = Unavailable, true, "it is full: "+e.Message
	case codes.DeadlineExceeded:
		e.Kind, e.retry = Unavailable, true
		e.Message = fmt.Sprintf("it fails on the request (%s): %s", st.Code(), e.Message)
		if c.late() {
			e.Message = fmt.Sprintf("no answer within %v", c.deadline)
		}
	case codes.Unavailable:
		e.Kind, e.retry = Unavailable, true
		if !endedByServer(st) {
			e.Message = "it cannot be reached: " + e.Message
		}
	case codes.Unknown, codes.Internal, codes.Aborted, codes.Canceled, codes.DataLoss:
		e.Kind, e.retry = Unavailable, true
		e.Message = fmt.Sprintf("it fails on the request (%s): %s", st.Code(), e.Message)
	default:
		e.Message = fmt.Sprintf("unexpected status %s: %s", st.Code(), e.Message)
	}
	e.pushback(c.trailer, st)
	return e
}

const maxPushback = time.Minute

// pushback takes what the server says about the next attempt: a number of milliseconds, or anything else for
// "do not try again", as gRPC has it; else a google.rpc.RetryInfo among the details of the status.
func (e *Error) pushback(trailer metadata.MD, st *status.Status) {
	if !e.retry {
		return
	}
	said := trailer.Get("grpc-retry-pushback-ms")
	if len(said) == 0 {
		for _, detail := range st.Details() {
			if info, is := detail.(*errdetails.RetryInfo); is {
				e.after = min(max(0, info.GetRetryDelay().AsDuration()), maxPushback)
			}
		}
		return
	}
	ms, err := strconv.ParseInt(said[0], 10, 64)
	if err != nil || ms < 0 {
		e.retry = false
		return
	}
	e.after = min(time.Duration(min(ms, maxPushback.Milliseconds()))*time.Millisecond, maxPushback)
}

const maxSentence = 1000

// sentence makes one readable line of what a server or a library says.
func sentence(message string) string {
	message = strings.TrimPrefix(message, "connection error: desc = ")
	if text, err := strconv.Unquote(message); err == nil {
		message = text
	}
	message = strings.TrimPrefix(message, "transport: ")
	message = strings.TrimPrefix(message, "Error while dialing: ")
	message = strings.ToValidUTF8(message, "\uFFFD")
	message = strings.Join(strings.FieldsFunc(message, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if message == "" {
		return "it gives no reason" // it may land in a quarantine file, whose bytes do not change
	}
	if len(message) <= maxSentence {
		return message
	}
	cut := maxSentence
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + " ..."
}
