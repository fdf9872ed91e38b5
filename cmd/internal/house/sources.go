package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// goFolders are the folders of Go below dir with the files that are built here, without generated ones.
func goFolders(ctx context.Context, dir string) ([]*folder, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-f",
		"{{.ImportPath}}\t{{.Export}}\t{{.Dir}}\t{{with .Module}}{{.Main}}{{end}}\t{{join .GoFiles \" \"}}", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	exports := map[string]string{}
	var own [][]string
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		exports[fields[0]] = fields[1]
		if fields[3] == "true" {
			own = append(own, fields)
		}
	}
	files := token.NewFileSet()
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var folders []*folder
	for _, fields := range own {
		f, err := goFolder(files, imports, fields[0], fields[2], strings.Fields(fields[4]))
		if err != nil {
			return nil, err
		}
		if len(f.uses) > 0 {
			_, f.name, _ = strings.Cut(fields[0], "/")
			folders = append(folders, f)
		}
	}
	slices.SortFunc(folders, func(a, b *folder) int { return strings.Compare(a.name, b.name) })
	return folders, nil
}

// goFolder checks the types of a package, and sees which file uses what of which.
func goFolder(files *token.FileSet, imports types.Importer, path, dir string, names []string) (*folder, error) {
	f := &folder{uses: map[string]map[string]bool{}}
	var parsed []*ast.File
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(files, filepath.Join(dir, name), text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, file)
		if !ast.IsGenerated(file) && filepath.Base(name) != "doc.go" {
			f.uses[filepath.Join(dir, name)] = map[string]bool{}
			f.lines += bytes.Count(text, []byte("\n"))
		}
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := (&types.Config{Importer: imports}).Check(path, files, parsed, info)
	if err != nil {
		return nil, err
	}
	for ident, object := range info.Uses {
		if object.Pkg() != pkg || !shared(pkg, object) {
			continue
		}
		from, to := files.Position(ident.Pos()).Filename, files.Position(object.Pos()).Filename
		if _, counted := f.uses[to]; counted && from != to && f.uses[from] != nil {
			f.uses[from][to] = true
		}
	}
	return f, nil
}

// shared says whether other files can use an object: it is no local one.
func shared(pkg *types.Package, object types.Object) bool {
	if object.Parent() == pkg.Scope() {
		return true
	}
	switch o := object.(type) {
	case *types.Func:
		return o.Signature().Recv() != nil
	case *types.Var:
		return o.IsField()
	}
	return false
}

var (
	imported = regexp.MustCompile(`(?m)^ *from (graphscore[\w.]*) import (\([^)]*\)|.*)`)
	comments = regexp.MustCompile(` *#.*`)
)

// pythonModules is the package at dir, with its imports as arrows.
func pythonModules(dir string) (*folder, error) {
	f := &folder{name: "python/src/graphscore", uses: map[string]map[string]bool{}}
	texts := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".py") || strings.HasSuffix(path, "_pb2.py") {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(filepath.Dir(dir), path)
		name := strings.TrimSuffix(strings.TrimSuffix(strings.ReplaceAll(rel, "/", "."), ".py"), ".__init__")
		texts[name], f.uses[name] = string(text), map[string]bool{}
		f.lines += strings.Count(string(text), "\n")
		return err
	})
	if err != nil {
		return nil, err
	}
	for name, text := range texts {
		for _, m := range imported.FindAllStringSubmatch(comments.ReplaceAllString(text, ""), -1) {
			for what := range strings.FieldsFuncSeq(m[2], func(r rune) bool { return strings.ContainsRune("(), \n", r) }) {
				to := m[1] + "." + what // a module, or a name in one
				if _, module := texts[to]; !module {
					to = m[1]
				}
				if _, module := texts[to]; module && to != name {
					f.uses[name][to] = true
				}
			}
		}
	}
	return f, nil
}
