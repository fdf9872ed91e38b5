//go:build faults

package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"graphscore/cmd/internal/faults/inject"
	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
)

// tested is a scenario and what it does undisturbed.
type tested struct {
	*world
	scenario
	t         *testing.T
	points    []point
	code      int             // exit code
	from      string          // the output before, which does not exist in a first run
	was, want tree            // what lasts in the output before and after
	temps     map[string]bool // temporary files in the output before
	graphs    map[string]int

	outputs atomic.Int64 // numbers folders
	mu      sync.Mutex
	known   map[string]verdict // of a next run, by the state that it begins with
}

// point is a call of a trace. Calls are known by what they do, and the how-many-th of these they are: the order in which
// goroutines do different things may change from run to run.
type point struct {
	call, file string
	nth        int // from 0
}

func (p point) String() string { return fmt.Sprintf("%s %s (%d)", p.call, p.file, p.nth) }

// points numbers the calls below a folder as they come.
type points struct {
	output string
	seen   map[string]int
}

func (p *points) next(c inject.Call) point {
	file, err := filepath.Rel(p.output, c.Path)
	if err != nil {
		panic(err) // both are absolute
	}
	now := point{call: c.Name, file: general(filepath.ToSlash(file))}
	now.nth = p.seen[now.call+" "+now.file]
	p.seen[now.call+" "+now.file]++
	return now
}

// undisturbed runs a scenario without faults, twice: its calls must be the same.
func (w *world) undisturbed(t *testing.T, s scenario) (*tested, error) {
	c := &tested{t: t, world: w, scenario: s, from: w.path("before", s.name, "out"), known: map[string]verdict{}, temps: map[string]bool{}}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	files, err := read(c.from)
	if err != nil {
		return nil, err
	}
	c.was = files.lasting()
	for name := range files {
		c.temps[name] = kindOf(name) == temporary
	}
	output, err := c.copyOf()
	if err != nil {
		return nil, err
	}
	numbers := points{output, map[string]int{}}
	o, err := graphscore(t.Context(), output, func(call inject.Call) inject.Fault {
		c.points = append(c.points, numbers.next(call))
		return inject.Fault{}
	}, c.args(w, output)...)
	if err != nil {
		return nil, err
	}
	if files, err = read(output); err != nil {
		return nil, err
	}
	if c.code, c.want = o.Code, files.lasting(); c.code != exit.Done && c.code != exit.Partly {
		return nil, fmt.Errorf("%s ended with %d: %s", s.command, o.Code, o.stderr)
	}
	c.graphs, err = jobtest.CountGraphs(output)
	return c, errors.Join(err, os.RemoveAll(filepath.Dir(output)))
}

// prepare makes the output before.
func (c *tested) prepare() error {
	for i, b := range c.before {
		died := false
		o, err := graphscore(c.t.Context(), c.from, func(call inject.Call) inject.Fault {
			if i < len(c.before)-1 || c.dies == nil || !c.dies(call) {
				return inject.Fault{}
			}
			died = true
			return inject.Fault{Kill: true}
		}, b.args(c.world, c.from)...)
		if err != nil {
			return err
		}
		if died != (i == len(c.before)-1 && c.dies != nil) || !died && o.Code != exit.Partly {
			return fmt.Errorf("preparing: %s ended with %+v: %s", b, o.Ended, o.stderr)
		}
	}
	if c.lose != "" {
		return os.Remove(filepath.Join(c.from, c.lose))
	}
	return nil
}

// copyOf copies the output before to a new place.
func (c *tested) copyOf() (output string, err error) {
	folder := c.path("copies", c.name, fmt.Sprint(c.outputs.Add(1)))
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	output = filepath.Join(folder, "out")
	if _, err := os.Stat(c.from); errors.Is(err, fs.ErrNotExist) {
		return output, nil
	}
	return output, os.CopyFS(output, os.DirFS(c.from))
}

// verdict is what became of an injection. failed and killed are false where the command ended as if undisturbed.
type verdict struct {
	failed, killed   bool
	notMade          bool   // in this run there was no such call: those before it of its kind were fewer
	wrong            string // what must not be, empty if nothing
	lost, duplicated int    // graphs in an output that counts as done
}

// inject injects a fault at a point, judges the end and what is in the output then, and runs the command again.
func (c *tested) inject(ctx context.Context, p point, f inject.Fault) (v verdict, err error) {
	output, err := c.copyOf()
	if err != nil {
		return v, err
	}
	hit, numbers := false, points{output, map[string]int{}}
	o, err := graphscore(ctx, output, func(call inject.Call) inject.Fault {
		if numbers.next(call) != p {
			return inject.Fault{}
		}
		hit = true
		return f
	}, c.args(c.world, output)...)
	if err != nil {
		return v, err
	}
	files, err := read(output)
	if err != nil {
		return v, err
	}
	v.notMade = !hit
	switch {
	case f.Kill && hit:
		v.killed = true
		if o.Signal != syscall.SIGKILL {
			v.wrong = fmt.Sprintf("it was killed and ended with %+v", o.Ended)
		}
	default:
		v.failed = o.Code == exit.CannotCreate || o.Code == exit.IO
		v.wrong = c.judgeEnd(o, p, files, output)
	}
	if v.wrong == "" {
		v.wrong = c.judgeFiles(files)
	}
	if v.wrong != "" && !v.killed {
		v.wrong += fmt.Sprintf(" [exit code %d: %s]", o.Code, o.sentence())
	}
	if !v.killed && !v.failed {
		if v.lost, v.duplicated, err = c.missing(output, files); err != nil {
			v.wrong += ": " + err.Error()
		}
	}
	next, err := c.again(ctx, output, files)
	if err != nil {
		return v, err
	}
	if v.wrong == "" && next.wrong != "" {
		v.wrong = "then undisturbed: " + next.wrong
	}
	v.lost, v.duplicated = v.lost+next.lost, v.duplicated+next.duplicated
	return v, os.RemoveAll(filepath.Dir(output))
}

// judgeEnd says what is wrong with the end of a command of which the call at p failed.
func (c *tested) judgeEnd(o outcome, p point, files tree, output string) string {
	switch o.Code {
	case exit.CannotCreate, exit.IO:
		if !strings.Contains(o.sentence(), output) {
			return "the error does not name a path of the output"
		}
	case c.code:
		if other := differences(files.lasting(), c.want); other != "" {
			return "it ended as if undisturbed, with other files: " + other
		}
	default:
		return "another exit code"
	}
	for name := range files {
		// One that could not be removed stays, and so do those of before where the command ends first.
		if kindOf(name) == temporary && (o.Code == c.code || p.call != "unlinkat" && !c.temps[name]) {
			return "it left " + name
		}
	}
	return ""
}

// judgeFiles says what is wrong with files under their final names, however a command ended.
func (c *tested) judgeFiles(files tree) string {
	for name, content := range files {
		switch kindOf(name) {
		case scores:
			old, now := c.was[name] == content, c.want[name] == content
			if !old && !now {
				return name + " is not whole"
			}
			q := quarantineOf(name)
			if whole := old && same(files, c.was, q) || now && same(files, c.want, q); !whole {
				return name + " has the quarantine file of another part, or none"
			}
		case quarantine:
			if c.was[name] != content && c.want[name] != content {
				return name + " is not whole"
			}
		case records:
			if !json.Valid([]byte(content)) {
				return name + " is not whole"
			}
		case foreign:
			return "nobody knows " + name
		case success, lock, temporary:
		}
	}
	return c.judgeSuccess(files)
}

// judgeSuccess says what is wrong with each _SUCCESS: it means that all of before, or all of after, are there.
func (c *tested) judgeSuccess(files tree) string {
	for name := range files {
		if kindOf(name) != success {
			continue
		}
		folder := strings.TrimSuffix(name, "_SUCCESS")
		of := func(t tree) tree {
			inside := t.lasting()
			maps.DeleteFunc(inside, func(name, _ string) bool { return !strings.HasPrefix(name, folder) })
			return inside
		}
		if differences(of(files), of(c.was)) != "" && differences(of(files), of(c.want)) != "" {
			return name + " is there, and the output is not whole: " + differences(of(files), of(c.want))
		}
	}
	return ""
}

// same reports whether two trees have the same file of a name, or both none.
func same(a, b tree, name string) bool {
	inA, hasA := a[name]
	inB, hasB := b[name]
	return hasA == hasB && inA == inB
}

// differences names the files in which two trees differ.
func differences(got, want tree) string {
	var list []string
	for name := range want {
		if _, is := got[name]; !is {
			list = append(list, "no "+name)
		} else if !same(got, want, name) {
			list = append(list, "another "+name)
		}
	}
	for name := range got {
		if _, is := want[name]; !is {
			list = append(list, name+" too much")
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// missing counts the graphs that an output lacks or has twice. Equal files are not opened.
func (c *tested) missing(output string, files tree) (lost, duplicated int, err error) {
	if differences(files.lasting(), c.want) == "" {
		return 0, 0, nil
	}
	got, err := jobtest.CountGraphs(output)
	if err != nil {
		return 0, 0, err
	}
	tally := faulttest.Compare(got, c.graphs)
	return tally.Lost, tally.Duplicated, nil
}

// again judges the same command undisturbed, once for each state of the output.
func (c *tested) again(ctx context.Context, output string, files tree) (v verdict, err error) {
	state := files.state()
	c.mu.Lock()
	v, is := c.known[state]
	c.mu.Unlock()
	if is {
		return v, nil
	}
	o, err := graphscore(ctx, output, never, c.args(c.world, output)...)
	if err != nil {
		return v, err
	}
	if files, err = read(output); err != nil {
		return v, err
	}
	switch other := differences(files.lasting(), c.want); {
	case o.Code != c.code:
		v.wrong = fmt.Sprintf("exit code %d, expected %d: %s", o.Code, c.code, o.sentence())
	case other != "":
		v.wrong = "other files: " + other
	}
	for name := range files {
		if kindOf(name) == temporary {
			v.wrong += " " + name + " was left"
		}
	}
	if v.lost, v.duplicated, err = c.missing(output, files); err != nil {
		v.wrong += ": " + err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[state] = v
	return v, nil
}
