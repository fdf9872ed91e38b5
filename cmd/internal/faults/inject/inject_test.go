//go:build faults

package inject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests run themselves as the program: with this variable set, a test binary does what it names.
const programKey = "INJECT_PROGRAM"

func TestMain(m *testing.M) {
	if what := os.Getenv(programKey); what != "" {
		os.Exit(programs[what](os.Args[1]))
	}
	os.Exit(m.Run())
}

// programs get a folder and return their exit codes. They print each call that failed.
var programs = map[string]func(folder string) int{
	"threads": func(folder string) int {
		var all sync.WaitGroup
		for i := range threads {
			all.Go(func() {
				runtime.LockOSThread()
				for k := range rounds {
					for _, dir := range []string{folder, filepath.Dir(folder)} {
						complain(os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-%d", i, k)), []byte("x"), 0o666))
					}
				}
			})
		}
		all.Wait()
		return 7
	},
	"names": func(folder string) int {
		complain(os.Chdir(folder))
		complain(os.Mkdir("d", 0o777))
		root, err := os.OpenRoot("d")
		complain(err)
		complain(root.WriteFile("a", []byte("x"), 0o666))
		complain(root.Rename("a", "b"))
		complain(os.Remove("d/../d/b"))
		_, err = os.Lstat(strings.Repeat("x", 300)) // its name ends on another page
		if !errors.Is(err, syscall.ENAMETOOLONG) {
			complain(err)
		}
		return 0
	},
	"child": func(folder string) int {
		child := exec.CommandContext(context.Background(), "/proc/self/exe", folder)
		child.Env = append(os.Environ(), programKey+"=threads")
		var ended *exec.ExitError
		if err := child.Run(); !errors.As(err, &ended) {
			complain(err)
			return 1
		}
		complain(os.WriteFile(filepath.Join(folder, "own"), nil, 0o666))
		return ended.ExitCode()
	},
	"signal": func(string) int {
		received := make(chan os.Signal, 1)
		signal.Notify(received, syscall.SIGUSR1)
		complain(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
		<-received
		return 5
	},
	"hang": func(string) int {
		time.Sleep(time.Hour)
		return 1
	},
}

const threads, rounds = 8, 5

func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
	}
}

// tried is how a program ended and what was seen of it.
type tried struct {
	Ended
	calls  []Call
	stdout string
}

// try runs a program of this test in a folder.
func try(t *testing.T, ctx context.Context, what, folder string, on func(n int, c Call) Fault) (tried, error) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var got tried
	got.Ended, err = Run(ctx, Program{
		Path: self, Args: []string{folder}, Dir: "/", Env: append(os.Environ(), programKey+"="+what), Stdout: out, Stderr: out,
	}, folder, func(c Call) Fault {
		got.calls = append(got.calls, c)
		return on(len(got.calls)-1, c)
	})
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	content, reading := io.ReadAll(out)
	if reading != nil {
		t.Fatal(reading)
	}
	got.stdout = string(content)
	return got, err
}

// folder is one below another that exists, without links in its path.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "f")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func nothing(int, Call) Fault { return Fault{} }

// Calls are counted over all threads, those on other folders are not, and the one that is named fails, once.
func TestOneCallOfManyThreads(t *testing.T) {
	t.Parallel()
	const calls = threads * rounds * 3 // openat, write, close
	for n := 0; n < calls; n += 13 {
		dir := folder(t)
		got, err := try(t, t.Context(), "threads", dir, func(i int, _ Call) Fault {
			if i == n {
				return Fault{Errno: syscall.EMFILE}
			}
			return Fault{}
		})
		if err != nil || got.Code != 7 {
			t.Fatalf("%+v, %v", got, err)
		}
		failed := got.calls[n]
		want := calls
		if failed.Name == "openat" {
			want -= 2
		}
		if len(got.calls) != want {
			t.Errorf("%d calls, expected %d", len(got.calls), want)
		}
		if strings.Count(got.stdout, "\n") != 1 || !strings.Contains(got.stdout, failed.Path+": too many open files") {
			t.Errorf("%+v was to fail, and the program says %q", failed, got.stdout)
		}
		info, err := os.Stat(failed.Path)
		if (failed.Name == "openat") != errors.Is(err, os.ErrNotExist) || err == nil && info.Size() != map[string]int64{"write": 0, "close": 1}[failed.Name] {
			t.Errorf("%+v: %v, %v", failed, info, err)
		}
	}
}

// A process is killed before the call is made.
func TestKill(t *testing.T) {
	t.Parallel()
	for n := range 30 {
		dir := folder(t)
		got, err := try(t, t.Context(), "threads", dir, func(i int, _ Call) Fault { return Fault{Kill: i == n} })
		if err != nil || got.Code != -1 || got.Signal != syscall.SIGKILL {
			t.Fatalf("%+v, %v", got, err)
		}
		if len(got.calls) < n+1 {
			t.Errorf("%d calls before the process was killed at call %d", len(got.calls), n)
		}
		info, err := os.Stat(got.calls[n].Path)
		if got.calls[n].Name == "openat" && err == nil || got.calls[n].Name == "write" && (err != nil || info.Size() != 0) {
			t.Errorf("%+v was made: %v, %v", got.calls[n], info, err)
		}
	}
}

// Paths are whole, however a call names its file, and of two files the new one counts.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	got, err := try(t, t.Context(), "names", dir, nothing)
	if err != nil || got.Code != 0 || got.stdout != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	var seen []string
	for _, c := range got.calls {
		rel, err := filepath.Rel(dir, c.Path)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, c.Name+" "+rel)
	}
	all := strings.Join(seen, "\n")
	for _, want := range []string{"mkdirat d", "openat d", "openat d/a", "write d/a", "close d/a", "renameat d/b", "unlinkat d/b", "newfstatat " + strings.Repeat("x", 300)} {
		if !strings.Contains(all+"\n", want+"\n") {
			t.Errorf("%q is not among\n%s", want, all)
		}
	}
}

// A child runs, and its calls are not counted.
func TestChild(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	got, err := try(t, t.Context(), "child", dir, nothing)
	if err != nil || got.Code != 7 || got.stdout != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, c := range got.calls {
		if filepath.Base(c.Path) != "own" {
			t.Errorf("%+v was counted", c)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != threads*rounds+1 || len(got.calls) != 3 {
		t.Errorf("%d files, %d calls, %v", len(entries), len(got.calls), err)
	}
}

func TestSignalsArrive(t *testing.T) {
	t.Parallel()
	if got, err := try(t, t.Context(), "signal", folder(t), nothing); err != nil || got.Code != 5 || got.stdout != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A program that does not end is killed when the context ends, which is an error.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got, err := try(t, ctx, "hang", folder(t), nothing)
	if !errors.Is(err, context.DeadlineExceeded) || got.Signal != syscall.SIGKILL {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNoSuchProgram(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), Program{Path: "/none", Dir: "/"}, "/f", func(Call) Fault { return Fault{} })
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/a/b": true, "/a/b/c": true, "/a/bc": false, "/a": false, "": false} {
		if got := below(path, "/a/b"); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
