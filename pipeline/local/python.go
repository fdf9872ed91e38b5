package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// pythonVariable is the environment variable that names the interpreter.
const pythonVariable = "GRAPHSCORE_PYTHON"

// FindPython returns the interpreter for workers: the explicit one, else what GRAPHSCORE_PYTHON says, else
// ../python/.venv/bin/python as seen from the folder of the executable, as in a checkout, else
// ../lib/graphscore/venv/bin/python, as `make install` leaves it, else, where there is no such file, python3.
// One that exists and cannot be used is an error: another one would score with other packages. Whether it has the
// package graphscore shows when the first worker starts. Errors are *PythonError, or a *StartError on a system where no
// worker can be started.
func FindPython(explicit string, getenv func(string) string, executable string) (string, error) {
	if err := supported(); err != nil {
		return "", err
	}
	for _, named := range []string{explicit, getenv(pythonVariable)} {
		if named != "" {
			return lookPython(named)
		}
	}
	if executable != "" {
		if real, err := filepath.EvalSymlinks(executable); err == nil {
			executable = real
		}
		for _, venv := range []string{"python/.venv", "lib/graphscore/venv"} {
			beside := filepath.Join(filepath.Dir(executable), "..", filepath.FromSlash(venv), "bin", "python")
			if _, err := os.Lstat(beside); !errors.Is(err, fs.ErrNotExist) {
				return lookPython(beside)
			}
		}
	}
	return lookPython("python3")
}

func lookPython(name string) (string, error) {
	found, err := exec.LookPath(name)
	switch {
	case err == nil || errors.Is(err, exec.ErrDot):
		return absolute(found), nil
	case errors.Is(err, fs.ErrPermission):
		return "", denied(name)
	default:
		if info, statErr := os.Stat(name); statErr == nil && info.IsDir() {
			return "", &PythonError{Python: name, Message: "is a folder"}
		}
		if target, linkErr := os.Readlink(name); linkErr == nil {
			return "", &PythonError{Python: name, Message: fmt.Sprintf("is a link to %q, which was not found", target)}
		}
		return "", &PythonError{Python: name, Message: "was not found"}
	}
}

// denied is the error of an interpreter that the user of this process has no right to execute. It names the first
// file or folder on the way, along links, that the user cannot reach.
func denied(name string) *PythonError {
	who := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(who); err == nil {
		who = u.Username
	}
	e := &PythonError{
		Python: name, Message: "cannot be executed by user " + who + ": permission denied",
		Remedy: "let this user execute it (chmod, chown)",
	}
	var at *fs.PathError
	if _, err := filepath.EvalSymlinks(name); errors.As(err, &at) {
		e.Message = fmt.Sprintf("cannot be reached by user %s: permission denied at %q", who, at.Path)
		e.Remedy = "let this user pass the folders above that, or make the venv with an interpreter that every user can " +
			"reach, such as /usr/bin/python3"
	}
	return e
}

// absolute keeps links: an interpreter finds its environment by the name it is called with.
func absolute(path string) string {
	if !strings.ContainsRune(path, filepath.Separator) {
		return path
	}
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path // the working folder is gone; a worker cannot be started from here either way
}
