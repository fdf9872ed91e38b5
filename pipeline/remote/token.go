package remote

import (
	"context"
	"fmt"

	"google.golang.org/grpc/credentials"
)

// Token is a bearer token. It prints as a placeholder, whatever the verb.
type Token string

// Format prints no token.
func (t Token) Format(s fmt.State, _ rune) {
	if t != "" {
		_, _ = s.Write([]byte("(a token)")) // the state of fmt takes everything
	}
}

// MarshalText returns the placeholder, for logs in JSON.
func (t Token) MarshalText() ([]byte, error) { return fmt.Append(nil, t), nil }

// bearer sends with each call what a function returns then.
type bearer func() Token

var _ credentials.PerRPCCredentials = bearer(nil)

// GetRequestMetadata is the header of a call.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b())}, nil
}

// RequireTransportSecurity makes gRPC refuse to send the token over plain text.
func (b bearer) RequireTransportSecurity() bool { return true }
