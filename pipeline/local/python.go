package local

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pythonVariable is the environment variable that names the interpreter.
const pythonVariable = "GRAPHSCORE_PYTHON"

// FindPython returns the interpreter for workers: the explicit one, else what GRAPHSCORE_PYTHON says, else
// ../python/.venv/bin/python as seen from the folder of the executable, else python3. Whether it has the package
// graphscore shows when the first worker starts. Errors are *PythonError.
func FindPython(explicit string, getenv func(string) string, executable string) (string, error) {
	for _, named := range []string{explicit, getenv(pythonVariable)} {
		if named != "" {
			return lookPython(named)
		}
	}
	if executable != "" {
		if real, err := filepath.EvalSymlinks(executable); err == nil {
			executable = real
		}
		beside := filepath.Join(filepath.Dir(executable), "..", "python", ".venv", "bin", "python")
		if found, err := exec.LookPath(beside); err == nil {
			return absolute(found), nil
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
		return "", &PythonError{Python: name, Message: "cannot be executed"}
	default:
		if info, statErr := os.Stat(name); statErr == nil && info.IsDir() {
			return "", &PythonError{Python: name, Message: "is a folder"}
		}
		return "", &PythonError{Python: name, Message: "was not found"}
	}
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
