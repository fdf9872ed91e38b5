package readers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/display"
)

// walker looks below one root. Links to folders are followed after all else, so that a file has its own name where it
// can be reached without a link; a folder is looked at once for each place of the glob in it, so that loops end.
type walker struct {
	*finder
	input int
	root  string          // as named
	real  string          // absolute, links resolved
	glob  *glob           // nil where all of the root is taken
	seen  map[string]bool // folders, by path and place of the glob
	said  map[string]bool // what was refused or left out, by path
	links []folder        // to be followed
}

// folder is one to look at.
type folder struct {
	rel   string  // under the root
	real  string  // absolute, links resolved
	at    []place // where the glob is
	whole bool    // all below it is taken: it was named, or it matches
	link  bool    // a link led to it
	ready bool    // it or one above it has the file that is required
	table string  // the table that it belongs to, "" for none
}

// walk takes what is below root, or of that what matches the glob.
func (f *finder) walk(ctx context.Context, i int, root string, g *glob) error {
	abs, err := filepath.Abs(root)
	if err != nil {
		return &PlanError{root, fmt.Sprintf("its folder cannot be determined (%v); name an absolute path", err)}
	}
	f.roots[i] = abs
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir():
		return nil // nothing exists where a glob begins, or at an optional path
	case err != nil:
		f.refuse(root, fmt.Sprintf("the folder cannot be read (%v); check its permissions", display.Cause(err)), err)
		return nil
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return &PlanError{root, fmt.Sprintf("its links cannot be followed (%v); check the permissions", display.Cause(err))}
	}
	if err := checkWriters(real); err != nil {
		return err
	}
	w := &walker{finder: f, input: i, root: root, real: real, glob: g, seen: map[string]bool{}, said: map[string]bool{}}
	at := g.start()
	top := folder{real: real, at: at, whole: g == nil || g.matches(at), table: tableAround(filepath.Dir(real))}
	if err := w.folder(ctx, top); err != nil {
		return err
	}
	for len(w.links) > 0 {
		next := w.links[0]
		w.links = w.links[1:]
		if err := w.folder(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// named returns a path under the root as a user would name it.
func (w *walker) named(rel string) string { return filepath.Join(w.root, filepath.FromSlash(rel)) }

// refuse refuses what is at a place, once; cause is as in [finder.refuse].
func (w *walker) refuse(at folder, reason string, cause error) {
	if !w.said[at.real] {
		w.said[at.real] = true
		w.finder.refuse(w.named(at.rel), reason, cause)
	}
}

// leave puts what is at a place into a list of what is left out, once.
func (w *walker) leave(list *[]string, at folder) {
	if !w.said[at.real] {
		w.said[at.real] = true
		*list = append(*list, w.named(at.rel))
	}
}

// folder takes what is in a folder, and below.
func (w *walker) folder(ctx context.Context, f folder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.ready = f.ready || w.require == "" || exists(filepath.Join(f.real, w.require))
	key := fmt.Sprint(f.real, "\x00", f.at, f.whole, f.ready)
	if w.seen[key] {
		return nil
	}
	w.seen[key] = true
	name := w.named(f.rel)
	entries, err := os.ReadDir(name)
	if err != nil {
		w.refuse(f, fmt.Sprintf("the folder cannot be read (%v); check its permissions", display.Cause(err)), err)
		return nil
	}
	if f.table == "" && mayHaveTable(entries) {
		f.table = tableIn(f.real)
	}
	if f.table != "" && f.whole {
		return logged(name, f.table)
	}
	if mark := unfinishedMark(entries); mark != "" {
		return unfinished(name, mark)
	}
	if f.whole && isTables(entries) {
		w.refuse(f, "it holds nodes and edges, and layout tables is not supported yet; write one graph a row", nil)
		return nil
	}
	leaf := true
	for _, e := range entries {
		leaf = leaf && (!e.IsDir() || isHidden(e.Name()))
		if err := w.entry(ctx, f, e); err != nil {
			return err
		}
	}
	if leaf && f.whole && !f.ready {
		return unmarked(name, w.require)
	}
	return nil
}

// entry takes what one name in a folder leads to.
func (w *walker) entry(ctx context.Context, f folder, e fs.DirEntry) error {
	name, hidden := e.Name(), isHidden(e.Name())
	at := w.glob.step(f.at, name, hidden)
	next := folder{
		rel: path.Join(f.rel, name), real: filepath.Join(f.real, name), at: at,
		whole: f.whole && !hidden || w.glob.matches(at), link: f.link, ready: f.ready, table: f.table,
	}
	if stem, end, is := unfinishedName(name); is && !w.glob.ends(end) {
		if w.mayLead(f, stem, e) || !hidden && w.mayLead(f, name, e) {
			w.leave(&w.left.Unfinished, next)
			w.pending = append(w.pending, found{path: w.named(next.rel), rel: next.rel, input: w.input})
			return nil
		}
	}
	switch {
	case len(at) > 0 || next.whole:
	case !hidden || name == w.require || !w.leads(f, name, e):
		return nil
	case name[0] == '.':
		w.leave(&w.left.Dot, next)
		return nil
	default:
		w.leave(&w.left.Underscore, next)
		return nil
	}
	switch {
	case e.IsDir():
		return w.folder(ctx, next)
	case e.Type()&fs.ModeSymlink != 0:
		return w.follow(next)
	}
	links := 0
	if f.link {
		links = 2
	}
	return w.file(next, e.Type(), links, next.real)
}

// leads reports whether a name in a folder would be read, or looked into, if it were an ordinary one.
func (w *walker) leads(f folder, name string, e fs.DirEntry) bool {
	at := w.glob.step(f.at, name, false)
	return f.whole || w.glob.matches(at) || len(at) > 0 && !e.Type().IsRegular()
}

// mayLead is leads for a name that an unfinished one will have.
func (w *walker) mayLead(f folder, name string, e fs.DirEntry) bool {
	if isHidden(name) {
		at := w.glob.step(f.at, name, true)
		return w.glob.matches(at) || len(at) > 0 && !e.Type().IsRegular()
	}
	return w.leads(f, name, e)
}

// file takes a file, or what is none, if it is data. links and real are as in found, real may be empty.
func (w *walker) file(f folder, mode fs.FileMode, links int, real string) error {
	if !f.whole { // a glob goes on below it, and there is no below
		return nil
	}
	name := w.named(f.rel)
	data := w.glob.matches(f.at) || slices.Contains(dataNames, strings.ToLower(filepath.Ext(f.rel)))
	if path.Base(f.rel) == w.require {
		return nil
	}
	if !mode.IsRegular() {
		if data {
			w.refuse(f, notRegular(mode), nil)
		} else {
			w.leave(&w.left.Other, f)
		}
		return nil
	}
	if !data {
		var err error
		if data, err = hasKnownContent(name); err != nil {
			w.refuse(f, fmt.Sprintf("it cannot be read (%v); make it readable for this user, or move it away", display.Cause(err)), err)
			return nil
		}
	}
	switch {
	case !data:
		w.leave(&w.left.Other, f)
		return nil
	case f.table != "":
		return logged(name, f.table)
	case !f.ready:
		return unmarked(filepath.Dir(name), w.require)
	}
	return w.add(found{path: name, rel: f.rel, input: w.input, real: real, links: links})
}

// follow looks behind a link, which must lead to what is inside the root, or to the blobs of the Hugging Face cache that
// the root belongs to. One that leads elsewhere is refused if what it leads to would be read.
func (w *walker) follow(f folder) error {
	name := w.named(f.rel)
	target, err := filepath.EvalSymlinks(name)
	if err == nil {
		target, err = filepath.Abs(target)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(target)
	}
	if err != nil {
		w.refuse(f, fmt.Sprintf("the link cannot be followed (%v); remove it", display.Cause(err)), unlessAbsent(err))
		return nil
	}
	if !f.whole && !info.IsDir() {
		return nil
	}
	blob := !info.IsDir() && w.isBlob(target)
	if rel, err := filepath.Rel(w.real, target); !blob && (err != nil || !filepath.IsLocal(rel)) {
		w.refuse(f, "it is a link that leads out of "+w.root+"; name what it leads to as an input of its own, or copy it", nil)
		return nil
	}
	if f.table == "" && !blob {
		f.table = tableAround(filepath.Dir(target))
	}
	if info.IsDir() {
		f.real, f.link = target, true
		w.links = append(w.links, f)
		return nil
	}
	links := 1
	if f.link {
		links = 3
	}
	return w.file(f, info.Mode(), links, target)
}

// isBlob reports whether a file is a blob of the Hugging Face cache that has the root among its snapshots.
func (w *walker) isBlob(target string) bool {
	blobs := filepath.Dir(target)
	rel, err := filepath.Rel(filepath.Join(filepath.Dir(blobs), "snapshots"), w.real)
	return filepath.Base(blobs) == "blobs" && err == nil && filepath.IsLocal(rel)
}
