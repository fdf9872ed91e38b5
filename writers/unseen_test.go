package writers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/part"
)

// blindDisk fails at one look at the folder, and sees everything else.
type blindDisk struct {
	atomic.Disk
	mu    sync.Mutex
	looks int
	at    int
	err   error
	hit   string // the look that failed
}

func (d *blindDisk) look(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.looks++; d.looks != d.at {
		return nil
	}
	d.hit = op + " " + name
	return d.err
}

func (d *blindDisk) Lstat(name string) (fs.FileInfo, error) {
	if err := d.look("lstat", name); err != nil {
		return nil, err
	}
	return d.Disk.Lstat(name)
}

func (d *blindDisk) Stat(name string) (fs.FileInfo, error) {
	if err := d.look("stat", name); err != nil {
		return nil, err
	}
	return d.Disk.Stat(name)
}

func (d *blindDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.look("readdir", name); err != nil {
		return nil, err
	}
	return d.Disk.ReadDir(name)
}

func (d *blindDisk) Open(name string) (atomic.Opened, error) {
	if err := d.look("open", name); err != nil {
		return nil, err
	}
	f, err := d.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return &blindFile{f, d, name}, nil
}

type blindFile struct {
	atomic.Opened
	d    *blindDisk
	name string
}

func (f *blindFile) Read(p []byte) (int, error) {
	if err := f.d.look("read", f.name); err != nil {
		return 0, err
	}
	return f.Opened.Read(p)
}

func (f *blindFile) ReadAt(p []byte, at int64) (int, error) {
	if err := f.d.look("readat", f.name); err != nil {
		return 0, err
	}
	return f.Opened.ReadAt(p, at)
}

func (f *blindFile) Stat() (fs.FileInfo, error) {
	if err := f.d.look("fstat", f.name); err != nil {
		return nil, err
	}
	return f.Opened.Stat()
}

// What cannot be seen is not absent: a run of which one look at its output fails ends with an error that names a path,
// or with the same bytes. It never leaves a part without its quarantine file, and _SUCCESS only where all is there.
func TestEveryLookFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		before, after func(setup) []shard
		onOrphan      OnOrphan
		least         int // looks
	}{
		{name: "a first run", after: planOne, least: 15},
		{name: "a run with nothing to do", before: planOne, after: planOne, least: 40},
		{name: "a run that rescores", before: planOne, after: planTwo, least: 40},
		{name: "a run that prunes", before: planOne, after: planGone, onOrphan: PruneOrphans, least: 40},
	} {
		// Where an error is told apart it is by its being absence or a lack of rights: the others take turns.
		for _, errnos := range [][]syscall.Errno{{syscall.EIO, syscall.EMFILE, syscall.ENOSPC}, {syscall.EACCES}} {
			t.Run(tc.name+" "+errnos[0].Error(), func(t *testing.T) {
				t.Parallel()
				clean := crashConfig(t)
				must(t, job(t.Context(), clean, tc.after(clean)))
				want := result(t, clean.Dir)
				var before map[string]string
				if tc.before != nil {
					first := crashConfig(t)
					must(t, job(t.Context(), first, tc.before(first)))
					before = result(t, first.Dir)
				}
				at := 1
				for ; blindAt(t, at, errnos[at%len(errnos)], before, tc.after, tc.onOrphan, want); at++ {
				}
				if at < tc.least {
					t.Errorf("only %d looks", at)
				}
				faulttest.Report(t, faulttest.Row{Case: "C", How: "a lookup (Lstat, Readdir, Open) fails: EIO, EMFILE, ENOSPC and EACCES in turns",
					Outcome: "an error that names the path, or the same bytes; after the next run the same bytes", Times: at - 1, Tally: sameGraphs(t, clean.Dir, at-1)})
			})
		}
	}
}

// blindAt fails one look and runs again. It says whether there was such a look.
func blindAt(t *testing.T, at int, errno syscall.Errno, before map[string]string, after func(setup) []shard, onOrphan OnOrphan, want map[string]string) bool {
	t.Helper()
	cfg := crashConfig(t)
	cfg.Rescore, cfg.OnOrphan = true, onOrphan
	for name, content := range before {
		file := filepath.Join(cfg.Dir, filepath.FromSlash(name))
		must(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(content), 0o666)))
	}
	d := &blindDisk{at: at, err: errno}
	blind := cfg
	blind.Disk = func(inner atomic.Disk) atomic.Disk { d.Disk = atomictest.Quick(inner); return d }
	err := job(t.Context(), blind, after(cfg))
	if d.hit == "" {
		must(t, err)
		return false
	}
	when := fmt.Sprintf("%v at look %d (%s)", errno, at, d.hit)
	if err == nil {
		if diff := differ(want, result(t, cfg.Dir)); diff != "" {
			t.Errorf("%s: no error, and other files: %.500s", when, diff)
		}
	} else {
		checkUnseen(t, err, errno, cfg.Dir, when)
	}
	checkWhole(t, cfg.Dir, when, want, before)
	if err == nil {
		return true
	}
	must(t, job(t.Context(), cfg, after(cfg)))
	if diff := differ(want, result(t, cfg.Dir)); diff != "" {
		t.Fatalf("%s: other files after the next run: %.500s", when, diff)
	}
	return true
}

// checkUnseen wants an error that maps to 73 or 74 and names what could not be seen.
func checkUnseen(t *testing.T, err error, errno syscall.Errno, dir, when string) {
	t.Helper()
	var failed *atomic.IOError
	var create *atomic.CreateError
	path := ""
	switch {
	case errors.As(err, &failed):
		path = failed.Path
	case errors.As(err, &create):
		path = create.Path
	}
	if !errors.Is(err, errno) || !strings.HasPrefix(path, dir) || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: error %v", when, err)
	}
}

// The end of a run looks for the part of every quarantine file. One that cannot be seen keeps its own.
func TestSweepKeepsWhatItCannotSee(t *testing.T) {
	t.Parallel()
	cfg, _, _ := standing(t)
	want := result(t, cfg.Dir)
	d := &blindDisk{err: syscall.EIO}
	cfg.Disk = func(inner atomic.Disk) atomic.Disk { d.Disk = inner; return d }
	o := open(t, cfg)
	for at := 1; ; at++ {
		d.looks, d.at, d.hit = 0, at, ""
		err := o.sweep(t.Context())
		if d.hit == "" {
			must(t, err)
			if at < 5 {
				t.Errorf("only %d looks", at)
			}
			break
		}
		checkUnseen(t, err, syscall.EIO, cfg.Dir, d.hit)
	}
	if diff := differ(want, result(t, cfg.Dir)); diff != "" {
		t.Error(diff)
	}
}

// A part whose quarantine file is missing, short, or another is made anew, without --rescore, and counts as to be scored.
func TestTornPartsAreMadeAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tear func(file string) error
		want string // in the reason
	}{
		"missing":  {os.Remove, `"_quarantine/d/e/a.parquet.jsonl", of 3 graphs, is missing`},
		"empty":    {func(f string) error { return os.Truncate(f, 0) }, "has 0 lines, not 3"},
		"short":    {func(f string) error { return os.Truncate(f, 200) }, "has 1 line, not 3"},
		"longer":   {func(f string) error { return appendTo(f, "{}\n") }, "has 4 lines, not 3"},
		"a rest":   {func(f string) error { return appendTo(f, "{}") }, "does not end with its last line"},
		"another":  {change, "has another content"},
		"a folder": {func(f string) error { return errors.Join(os.Remove(f), os.Mkdir(f, 0o777)) }, "is not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t.TempDir())
			shards := planOne(cfg)
			must(t, job(t.Context(), cfg, shards))
			want := result(t, cfg.Dir)
			file := filepath.Join(cfg.Dir, part.QuarantineDir, "d", "e", "a.parquet.jsonl")
			must(t, test.tear(file))
			specs, inputs := specsOf(shards)
			found, err := Compare(t.Context(), cfg.Config, cfg.plan(specs, inputs))
			must(t, err)
			if found.Decisions[0] != Renew || found.Decisions[1] != Skip || found.Footers[0] != nil || len(found.Torn) != 1 ||
				found.Torn[0].Part != "d/e/a.parquet" || !strings.Contains(found.Torn[0].Reason, test.want) {
				t.Fatalf("decisions %v, torn %q", found.Decisions, found.Torn)
			}
			if name == "a folder" { // nothing of ours: it is in the way until it is moved
				var failed *atomic.IOError
				if err := job(t.Context(), cfg, shards); !errors.As(err, &failed) {
					t.Error(err)
				}
				must(t, os.Remove(file))
			}
			must(t, job(t.Context(), cfg, shards))
			if diff := differ(want, result(t, cfg.Dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// change keeps the number of lines.
func change(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(content), `"row":`, `"row": `, 1)), 0o666)
}

func specsOf(shards []shard) (specs []part.Spec, inputs map[string]bool) {
	inputs = map[string]bool{}
	for _, s := range shards {
		specs = append(specs, s.spec)
		inputs[s.spec.Input] = true
	}
	return specs, inputs
}

// A quarantine file beside a part without quarantined graphs is not its own either.
func TestStrayQuarantineFile(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	shards := planOne(cfg)
	must(t, job(t.Context(), cfg, shards))
	want := result(t, cfg.Dir)
	must(t, os.WriteFile(filepath.Join(cfg.Dir, part.QuarantineDir, "c.parquet.jsonl"), []byte("{}\n"), 0o666))
	must(t, job(t.Context(), cfg, shards))
	if diff := differ(want, result(t, cfg.Dir)); diff != "" {
		t.Error(diff)
	}
}

// What was there when the run began and is gone at its end gets no _SUCCESS, and no quarantine file is deleted for it.
func TestFinishNoticesWhatIsGone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"d/e/a.parquet", "_quarantine/d/e/a.parquet.jsonl"} {
		cfg := testConfig(t.TempDir())
		shards := planOne(cfg)
		must(t, job(t.Context(), cfg, shards))
		must(t, os.Remove(filepath.Join(cfg.Dir, SuccessName)))
		o := open(t, cfg)
		specs, inputs := specsOf(shards)
		r, err := o.Reconcile(t.Context(), specs, inputs)
		must(t, err)
		must(t, os.Remove(filepath.Join(cfg.Dir, filepath.FromSlash(name))))
		left := result(t, cfg.Dir)
		var lost *LostError
		if err := o.Finish(t.Context(), r, true); !errors.As(err, &lost) || lost.Path != filepath.Join(cfg.Dir, filepath.FromSlash(name)) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(left, result(t, cfg.Dir)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A folder that was moved meanwhile, as by who rotates outputs, gets no _SUCCESS: nothing is where the run was told to write,
// whether another folder has its name or none.
func TestFinishNoticesThatTheFolderWasMoved(t *testing.T) {
	t.Parallel()
	for _, replaced := range []bool{false, true} {
		cfg := testConfig(filepath.Join(t.TempDir(), "out"))
		shards := planOne(cfg)
		must(t, job(t.Context(), cfg, shards))
		must(t, os.Remove(filepath.Join(cfg.Dir, SuccessName)))
		o := open(t, cfg)
		specs, inputs := specsOf(shards)
		r, err := o.Reconcile(t.Context(), specs, inputs)
		must(t, err)
		must(t, os.Rename(cfg.Dir, cfg.Dir+".moved"))
		if replaced {
			must(t, os.CopyFS(cfg.Dir, os.DirFS(cfg.Dir+".moved")))
		}
		for _, err := range []error{o.Stays(), o.Finish(t.Context(), r, true)} {
			var moved *MovedError
			if !errors.As(err, &moved) || moved.Path != cfg.Dir {
				t.Errorf("replaced %t: %v", replaced, err)
			}
		}
		for _, dir := range []string{cfg.Dir, cfg.Dir + ".moved"} {
			if _, err := os.Lstat(filepath.Join(dir, SuccessName)); err == nil {
				t.Errorf("replaced %t: %s has _SUCCESS", replaced, dir)
			}
		}
	}
}

// The read side says what it could not see. A link to itself cannot be looked at by anybody.
func TestViewSaysWhatItCannotSee(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{SuccessName, lockName, "a", part.QuarantineDir} {
		must(t, os.Symlink(name, filepath.Join(dir, name)))
	}
	v := NewView(filepath.Join(dir, "a"))
	for what, look := range map[string]func() error{
		"succeeded": func() error { _, err := v.Succeeded(); return err },
		"holder":    func() error { _, err := v.Holder(); return err },
		"lock":      func() error { _, err := NewView(dir).Holder(); return err },
		"size":      func() error { _, err := v.Size("x.parquet"); return err },
		"footer":    func() error { _, err := v.Footer("x.parquet"); return err },
		"part":      func() error { _, err := v.OpenPart("x.parquet"); return err },
		"records":   func() error { _, err := v.Records(); return err },
		"list":      func() error { _, err := v.List(t.Context()); return err },
		"quarantine": func() error {
			_, err := NewView(dir).Quarantine("x.parquet", "x")
			return err
		},
		"fault": func() error {
			_, err := NewView(dir).QuarantineFault("x.parquet", &part.Footer{})
			return err
		},
		"id types": func() error { _, _, err := v.ExistingIDTypes([]string{"x.parquet"}); return err },
	} {
		err := look()
		var failed *atomic.IOError
		var create *atomic.CreateError
		if !errors.As(err, &failed) && !errors.As(err, &create) || !errors.Is(err, syscall.ELOOP) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A file that cannot be read may be a part of ours, and a folder may hold some: only what can be read and is none is left.
func TestOthersThatCannotBeRead(t *testing.T) {
	t.Parallel()
	cfg, _, specs := standing(t)
	must(t, os.WriteFile(filepath.Join(cfg.Dir, "z.parquet"), []byte("PAR1"), 0o666))
	must(t, os.MkdirAll(filepath.Join(cfg.Dir, "z", "y"), 0o777))
	d := &blindDisk{}
	cfg.Disk = func(inner atomic.Disk) atomic.Disk { d.Disk = inner; return d }
	o := open(t, cfg)
	_, err := o.Reconcile(t.Context(), specs, allInputs)
	must(t, err)
	all := d.looks
	for at := 1; at <= all; at++ {
		d.looks, d.at, d.err, d.hit = 0, at, syscall.EACCES, ""
		_, err := o.Reconcile(t.Context(), specs, allInputs)
		if d.hit == "" {
			break
		}
		checkUnseen(t, err, syscall.EACCES, cfg.Dir, d.hit)
	}
}

// A root of a file system has a folder that only the administrator may read.
func TestLostAndFound(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	hidden := filepath.Join(cfg.Dir, atomic.LostAndFound)
	must(t, os.Mkdir(hidden, 0o777))
	must(t, os.WriteFile(filepath.Join(hidden, "x.parquet"), nil, 0o666))
	must(t, job(t.Context(), cfg, []shard{makeShard("a", 5, cfg, false)}))
	found, err := NewView(cfg.Dir).List(t.Context())
	must(t, err)
	if len(found.Foreign) > 0 || len(found.Parts) != 1 {
		t.Errorf("%+v", found)
	}
}

// A part keeps its form where it has nothing to keep of a quarantine file.
func TestForms(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	for _, quarantined := range []bool{false, true} {
		p, err := o.Create(t.Context(), part.Spec{Part: fmt.Sprintf("%v.parquet", quarantined), Input: "a", Rows: 1})
		must(t, err)
		if quarantined {
			must(t, p.Reject(t.Context(), graph.Rejection{Code: graph.Refused}))
		} else {
			p.footer.Scored = 1
		}
		must(t, p.Commit(t.Context()))
		content, err := os.ReadFile(filepath.Join(cfg.Dir, fmt.Sprintf("%v.parquet", quarantined)))
		must(t, err)
		if strings.Contains(string(content), "part/3") != quarantined || strings.Contains(string(content), "part/2") == quarantined ||
			strings.Contains(string(content), "graphscore.quarantine_") != quarantined {
			t.Errorf("%v: %q", quarantined, content)
		}
	}
}
