package observe

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"graphscore/pipeline/display"
	"graphscore/pipeline/fifo"
)

// maxSecretBytes is more than any secret has: what is larger is another file by mistake.
const maxSecretBytes = 64 << 10

// PingURL is the URL that is pinged when a run begins and ends, "" where none is set: see [Secret].
func PingURL(getenv func(string) string) (string, error) {
	return Secret(getenv, "GRAPHSCORE_PING_URL", "ping_url")
}

// PushgatewayPassword is the password of the Pushgateway, "" where none is set: see [Secret].
func PushgatewayPassword(getenv func(string) string) (string, error) {
	return Secret(getenv, "GRAPHSCORE_PUSHGATEWAY_PASSWORD", "pushgateway_password")
}

// Secret finds what must be neither in a job file nor on a command line: the value of the variable, else the
// content of the file that <variable>_FILE names, else that of the systemd credential, a file of that name in
// $CREDENTIALS_DIRECTORY. White space around it is dropped. It is empty where there is none of them. The error
// names the variable and the file. A file may be a pipe that a process writes to and closes within secretPatience.
func Secret(getenv func(string) string, variable, credential string) (string, error) {
	return secret(getenv, variable, credential, secretPatience)
}

func secret(getenv func(string) string, variable, credential string, patience time.Duration) (string, error) {
	if value := strings.TrimSpace(getenv(variable)); value != "" {
		return value, nil
	}
	if path := getenv(variable + "_FILE"); path != "" {
		value, err := readSecret(path, patience)
		if err != nil {
			return "", fmt.Errorf("%s_FILE names %s, which %w", variable, path, err)
		}
		return value, nil
	}
	folder := getenv("CREDENTIALS_DIRECTORY")
	if folder == "" {
		return "", nil
	}
	path := filepath.Join(folder, credential)
	value, err := readSecret(path, patience)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errEmpty) { // a unit may set it to nothing where there is none
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("the credential %s %w", path, err)
	}
	return value, nil
}

var errEmpty = errors.New("is empty")

// secretPatience is how long a pipe may take until its writer has come, has written the secret and has closed it.
const secretPatience = 10 * time.Second

// readSecret reads a small file, or a pipe that a process writes to, as a shell makes it of <(command). Its errors go on
// after "which" or a name.
func readSecret(path string, patience time.Duration) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe that nobody writes to would block
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", display.Cause(err))
	}
	defer f.Close()
	var from io.Reader = f
	if info, err := f.Stat(); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		from = fifo.NewReader(f, fifo.Patience{Limit: patience})
	}
	text, err := io.ReadAll(io.LimitReader(from, maxSecretBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, fifo.ErrUnwritten):
		return "", fmt.Errorf("is a pipe that is empty, or that was not written and closed within %g s:"+
			" what makes the secret must do so", patience.Seconds())
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", display.Cause(err))
	case len(text) > maxSecretBytes:
		return "", errors.New("is larger than 64 KiB: it holds something else")
	}
	value := strings.TrimSpace(string(text))
	if value == "" {
		return "", errEmpty
	}
	return value, nil
}

// masked is what of a URL may be shown.
func masked(u *url.URL) string { return u.Scheme + "://" + u.Host + "/***" }
