//go:build faults

package faults

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"graphscore/cmd/internal/faults/inject"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
)

// A disk that is full, and stays so: the run ends with 74, what is committed stays and nothing else does. With room the next
// run ends with the bytes of an undisturbed one.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	c := newTrial(t).copied(t)
	rest := map[string][]byte{}
	for _, name := range []string{"in/b.parquet", "in/c.parquet"} {
		rest[name] = must(os.ReadFile(c.path(name)))
		if err := os.Remove(c.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	job := c.job(behaved(t), patient)
	how, fill, full := "a tmpfs of 8 MiB is full but for 16 KiB when the second of three parts is written", c.fills, c.ends
	if err := c.mount("disk"); err != nil {
		t.Logf("the calls fail instead: %v", err)
		how, fill, full = "from the second write on every one fails with ENOSPC (ptrace)", func(string) func() { return func() {} }, c.endsFull
	}
	c.run(exit.Partly, job, "disk/out")
	before := must(read(c.path("disk/out"))).lasting()
	for name, content := range rest {
		c.put(name, content)
	}
	empty := fill("disk/filler")
	said, code := full(job, "disk/out")
	if err := has(said, c.path("disk/out"), "no space left on device"); err != nil || code != exit.IO {
		t.Errorf("exit code %d: %v", code, err)
	}
	files := must(read(c.path("disk/out")))
	for name, content := range before {
		if kindOf(name) != success && files[name] != content {
			t.Errorf("%s is another, or gone", name)
		}
	}
	for name, content := range files {
		if kind := kindOf(name); kind == temporary || kind == success || kind == scores && c.same[name] != content {
			t.Errorf("%s is left", name)
		}
	}
	empty()
	c.run(exit.Partly, job, "disk/out")
	faulttest.Report(t, faulttest.Row{Case: "4", How: how, Outcome: "74, the path named, what is committed stays; with room the same bytes",
		Times: 1, Tally: c.whole("disk/out")})
}

// mount makes a folder that is a small disk, which the caller's goroutine and what it starts see until it ends. It needs root.
// Where it fails the folder is there, on the disk of the others.
func (c *trial) mount(name string) error {
	c.t.Helper()
	if err := os.Mkdir(c.path(name), 0o777); err != nil {
		c.t.Fatal(err)
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("none", c.path(name), "tmpfs", 0, "size=8m"))
	if err == nil {
		c.t.Cleanup(func() { _ = unix.Unmount(c.path(name), unix.MNT_DETACH) }) // else the folder cannot be removed
	}
	return err
}

// fills fills the disk of a file but for 16 KiB, and returns what empties it.
func (c *trial) fills(name string) (empty func()) {
	c.t.Helper()
	f := must(os.Create(c.path(name)))
	size, page := int64(0), make([]byte, 4<<10)
	for {
		n, err := f.Write(page)
		if size += int64(n); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				c.t.Fatal(err)
			}
			break
		}
	}
	if err := errors.Join(f.Truncate(size-16<<10), f.Close()); err != nil {
		c.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(c.path(name)); err != nil {
			c.t.Fatal(err)
		}
	}
}

// endsFull is ends with a disk that is full from the second write on.
func (c *trial) endsFull(job, output string, flags ...string) (said string, code int) {
	c.t.Helper()
	writes := 0
	o, err := graphscore(c.t.Context(), c.path(output), func(call inject.Call) inject.Fault {
		if !strings.HasPrefix(call.Name, "write") && !strings.HasPrefix(call.Name, "pwrite") {
			return inject.Fault{}
		}
		if writes++; writes < 2 {
			return inject.Fault{}
		}
		return inject.Fault{Errno: syscall.ENOSPC}
	}, append([]string{"run", job, "--output", c.path(output), "--log-format", "json"}, flags...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return o.stdout + o.stderr, o.Code
}
