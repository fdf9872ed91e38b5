package remote

import (
	"context"
	"fmt"

	"google.golang.org/grpc/credentials"
)

// Token is a bearer token. It prints as a placeholder, whatever the verb.
type Token string

var _ credentials.PerRPCCredentials = Token("")

// Format prints no token.
func (t Token) Format(s fmt.State, _ rune) {
	if t != "" {
		_, _ = s.Write([]byte("(a token)")) // the state of fmt takes everything
	}
}

// MarshalText returns the placeholder, for logs in JSON.
func (t Token) MarshalText() ([]byte, error) { return fmt.Append(nil, t), nil }

// GetRequestMetadata is the header of a call.
func (t Token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

// RequireTransportSecurity makes gRPC refuse to send the token over plain text.
func (t Token) RequireTransportSecurity() bool { return true }
