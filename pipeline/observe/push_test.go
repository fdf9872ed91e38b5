package observe

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestPushgatewayReady: asked with the credentials of a push, and refused for what a push would be.
func TestPushgatewayReady(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path != "/base/-/ready" || r.Method != http.MethodGet:
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Bearer token" && (user != "me" || password != "word"):
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	for want, g := range map[string]Pushgateway{
		"":              {URL: server.URL + "/base/", User: "me", Password: "word"},
		"answered 401":  {URL: server.URL + "/base"},
		"answered 404":  {URL: server.URL, Password: "token"},
		"refused":       {URL: "http://127.0.0.1:1"},
		"missing proto": {URL: "://"},
	} {
		err := g.Ready(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", g, err, want)
		}
	}
	if err := (Pushgateway{URL: server.URL + "/base", Password: "token"}).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheckPingURL(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{"https://hc.example/uuid": true, "http://h:8000": true, "ftp://h/x": false, "hc.example/uuid": false, "http://": false, "http://[": false} {
		if err := CheckPingURL(address); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "uuid") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
