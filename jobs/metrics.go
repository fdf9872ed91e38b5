package jobs

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
)

// Metrics says where Prometheus finds the figures of a run. The zero value publishes nothing.
type Metrics struct {
	// Textfile is the folder of node_exporter's textfile collector, or a file in it that ends in .prom.
	Textfile string `yaml:"textfile"`
	// Pushgateway is the URL of a Pushgateway, without user and password.
	Pushgateway string `yaml:"pushgateway"`
	// Listen is host:port on the loopback, for /metrics and the profiles of pprof while the run goes on.
	Listen string `yaml:"listen"`
}

func (m Metrics) validate() error {
	if m.Pushgateway != "" {
		if err := CheckPushgateway(m.Pushgateway); err != nil {
			return fmt.Errorf("metrics.pushgateway %w", err)
		}
	}
	if m.Listen != "" {
		if err := CheckListen(m.Listen); err != nil {
			return fmt.Errorf("metrics.listen %w", err)
		}
	}
	return nil
}

// CheckPushgateway says what is wrong with the URL of a Pushgateway, without what may be a secret in it.
func CheckPushgateway(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("is no URL: write http://host:port or https://host:port")
	case u.User != nil:
		return errors.New("has a user or a password in its URL: secrets come from environment or files, so leave them out " +
			"and set GRAPHSCORE_PUSHGATEWAY_USER and GRAPHSCORE_PUSHGATEWAY_PASSWORD (or ..._PASSWORD_FILE)")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("has a ? or a # in its URL: leave out what follows the path")
	}
	return nil
}

// CheckListen says what is wrong with an address for metrics and profiles, which are for this machine only.
func CheckListen(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("is %q: write host:port, as in 127.0.0.1:9464", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("is %q: a port is a number up to 65535, 0 for any that is free", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("is %q: metrics and profiles are served on the loopback only, as 127.0.0.1:%s", address, port)
	}
	return nil
}
