package writers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// locksDir is the folder of an output that holds a lock for each process of those that fill it at once.
const locksDir = "_locks"

// taskLock is the name of the lock of a task.
func taskLock(t record.Task) string { return locksDir + "/" + t.Name() }

// isTaskFile reports whether a name is that of the lock or of the record of a task.
func isTaskFile(name string) bool {
	dir, base := path.Split(name)
	base, isRecord := strings.CutSuffix(base, record.TaskSuffix)
	_, is := record.ParseTask(base)
	return is && (dir == locksDir+"/" && !isRecord || dir == record.TaskDir+"/" && isRecord)
}

// OpenTask is [Open] for one of several processes that fill an output at once. It shares the lock of the output with the
// others, and has that of its task alone: a run that has the output alone, or another process of the task, is a
// *LockedError. Of temporary files it removes those of its task only.
//
// A part of the Output is committed beside others: see [Part.Commit]. It must not be settled or finished: what is not of the
// task is left as it is.
func OpenTask(ctx context.Context, cfg Config, task record.Task) (*Output, error) {
	cfg = cfg.WithDefaults()
	if err := errors.Join(cfg.Validate(), task.Check()); err != nil {
		return nil, fmt.Errorf("opening the output %q: %w", cfg.Dir, err)
	}
	folder, err := atomic.OpenFolder(cfg.Dir, atomic.Options{Wrap: cfg.Disk, Tag: fmt.Sprintf("shard%dof%d", task.Index, task.Count)})
	if err != nil {
		return nil, err
	}
	o := &Output{cfg: cfg, folder: folder, task: &task, complete: make(map[string]bool), retried: make(map[string]bool)}
	if err := o.lockTask(task); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	if err := o.tidy(ctx); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// lockTask takes the locks of a task. The file of the shared one goes on naming the last run that had the output alone.
func (o *Output) lockTask(task record.Task) error {
	shared, err := takeFile(o.folder, lockName, o.cfg.Dir, true, func(*os.File) error { return nil })
	o.locks = append(o.locks, shared)
	if err != nil {
		return err
	}
	if err := o.folder.MakeFolder(locksDir); err != nil {
		return err
	}
	own, err := lockFile(o.folder, taskLock(task), o.cfg, false)
	o.locks = append(o.locks, own)
	return ofTask(err, task)
}

// ofTask names in a *LockedError the task that is held.
func ofTask(err error, task record.Task) error {
	var held *LockedError
	if errors.As(err, &held) {
		held.Task = &task
	}
	return err
}

// whoHolds returns the error of a run that could not have an output alone: where others share it, it names one of these.
func whoHolds(root *os.Root, dir string, err error) error {
	var held *LockedError
	if !errors.As(err, &held) {
		return err
	}
	if free, unknown := probe(root, dir, lockName); !free || unknown != nil {
		return err
	}
	if task := tasksAtWork(root, dir); task != nil {
		return task
	}
	return &LockedError{Path: dir} // they have just ended
}

// probe reports whether a lock below the root can be shared. It shares it for an instant.
func probe(root *os.Root, dir, name string) (free bool, err error) {
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return true, nil // nothing is locked by it
	}
	l := newLock(atomic.PathBelow(dir, name), os.O_RDONLY)
	free, err = l.TryRLock()
	if err != nil {
		return false, locking(atomic.PathBelow(dir, name), err)
	}
	return free, errors.Join(l.Close())
}

// tasksAtWork returns a *LockedError that names a process which fills an output beside others, nil where none does.
func tasksAtWork(root *os.Root, dir string) error {
	entries, err := fs.ReadDir(root.FS(), locksDir)
	if atomic.Absent(err) {
		return nil
	}
	if err != nil {
		return &atomic.IOError{Op: "reading", Path: atomic.PathBelow(dir, locksDir), Err: err}
	}
	for _, e := range entries {
		task, is := record.ParseTask(e.Name())
		if !is {
			continue
		}
		free, err := probe(root, dir, taskLock(task))
		if err != nil {
			return err
		}
		if !free {
			return heldTask(root, dir, task)
		}
	}
	return nil
}

// heldTask is the error of a task that another process has.
func heldTask(root *os.Root, dir string, task record.Task) error {
	f, err := root.Open(taskLock(task))
	if err != nil {
		return &LockedError{Path: dir, Task: &task}
	}
	defer f.Close()
	return ofTask(lockedError(dir, f, false), task)
}

// settleBeside names the files where other processes may do so at the same time. No part is ever replaced: one
// that is there with the same ledger is left as it is, as the bytes of both follow from the input; another ledger is a
// *MismatchError. The quarantine file comes first, so that a part never lacks it; once a part is there, it is left alone
// unless it is not the one that the part was committed with.
func (p *Part) settleBeside() error {
	there, err := p.there()
	if err != nil || there != nil {
		return errors.Join(err, p.leave(there))
	}
	if err := p.out.Begin(); err != nil {
		return err
	}
	if there, err = p.there(); err != nil || there != nil { // Begin takes a while on some disks
		return errors.Join(err, p.leave(there))
	}
	if err := p.publishQuarantine(); err != nil {
		return err
	}
	exists, err := p.file.PublishNew()
	if err != nil || !exists {
		return err
	}
	if there, err = p.there(); err == nil && there == nil {
		err = &LostError{p.out.folder.Path(p.footer.Part)}
	}
	return errors.Join(err, p.leave(there))
}

// there returns the footer of the part that has the name already, nil where none has.
func (p *Part) there() (*part.Footer, error) {
	f, err := footerOf(p.out.folder.Looks(), p.out.cfg.Dir, p.footer.Part)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case part.IsPartError(err):
		return nil, p.mismatch(Mismatch{Reasons: []string{"it is not a whole part of graphscore"}, Foreign: errors.Is(err, part.ErrForeign)})
	default:
		return f, err
	}
}

// leave drops the files of a part that another process has made, and mends the quarantine file of that where it is not
// its own.
func (p *Part) leave(there *part.Footer) error {
	if there == nil {
		return nil
	}
	ours := &p.footer
	if why := differences(ours, there); why != nil {
		return p.mismatch(Mismatch{Reasons: why})
	}
	fault, err := part.QuarantineFault(p.out.folder.Looks(), p.out.cfg.Dir, ours.Part, there)
	if err != nil {
		return err
	}
	if fault != "" {
		if there.QuarantineHash != "" && there.QuarantineHash != ours.QuarantineHash {
			return p.mismatch(Mismatch{Reasons: []string{fault}})
		}
		if err := errors.Join(p.out.Begin(), p.publishQuarantine()); err != nil {
			return err
		}
	}
	return errors.Join(p.file.Discard(), p.quarantine.Discard())
}

func (p *Part) mismatch(m Mismatch) error {
	m.Part = p.footer.Part
	return &MismatchError{Dir: p.out.cfg.Dir, Parts: []Mismatch{m}}
}

// publishQuarantine publishes the quarantine file, or removes one that no graph of the part is in.
func (p *Part) publishQuarantine() error {
	if p.quarantine != nil {
		return p.quarantine.Publish()
	}
	return p.out.folder.Remove(part.QuarantineName(p.footer.Part))
}

// differences says in what the ledger of a part that was just made differs from that of the part that has its name, or nil.
func differences(ours, there *part.Footer) []string {
	why := ours.Differences(there, *ours.Settings, ours.SettingsDigest)
	if ours.Scored != there.Scored || ours.Nodes != there.Nodes || ours.RowsOut != there.RowsOut {
		why = append(why, fmt.Sprintf("scored %d graphs, was %d", ours.Scored, there.Scored))
	}
	if !maps.Equal(ours.Codes, there.Codes) {
		why = append(why, fmt.Sprintf("quarantined %d graphs, was %d: another process has made it meanwhile", ours.Quarantined, there.Quarantined))
	}
	return why
}

// WriteTaskRecord writes the record of a process that fills an output beside others, over that of the last one of its task.
func (o *Output) WriteTaskRecord(rec *record.TaskRun) error { return record.WriteTask(o.folder, rec) }

// ForgetTasks removes the locks and the records of all tasks. Only who has the output alone may call it. The error is an
// *atomic.IOError.
func (o *Output) ForgetTasks() error {
	for _, dir := range []string{locksDir, record.TaskDir} {
		err := o.folder.Walk(dir, func(string) bool { return false }, func(name string) error {
			if !isTaskFile(name) {
				return nil
			}
			return o.folder.RemoveLater(name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
