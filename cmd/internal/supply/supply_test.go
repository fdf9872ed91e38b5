package supply

import (
	"bufio"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

//go:embed advisories.txt
var advisories string

// fix is the first good version of a package.
type fix struct{ ecosystem, name, version, why string }

func fixes(t *testing.T) []fix {
	t.Helper()
	var out []fix
	for line := range strings.Lines(advisories) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.SplitN(line, " ", 4)
		if len(words) != 4 || words[0] != "go" && words[0] != "python" {
			t.Fatalf("advisories.txt: the line %q is no ecosystem, package, version and advisories", line)
		}
		out = append(out, fix{words[0], words[1], words[2], words[3]})
	}
	return out
}

// root is the folder of go.mod.
const root = "../../.."

// below reports whether a version comes before another. Those of Python are ones of semver with three numbers or fewer,
// without leading zeros and what comes after a release.
func below(version, good string) bool {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), ".post")
	return semver.Compare("v"+version, "v"+good) < 0
}

func TestModules(t *testing.T) {
	t.Parallel()
	path := filepath.Join(root, "go.mod")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse(path, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]string{}
	for _, r := range file.Require {
		used[r.Mod.Path] = r.Mod.Version
	}
	if file.Toolchain != nil {
		used["go"] = strings.TrimPrefix(file.Toolchain.Name, "go")
	}
	found := 0
	for _, f := range fixes(t) {
		version, is := used[f.name]
		if f.ecosystem != "go" || !is {
			continue
		}
		found++
		if below(version, f.version) {
			t.Errorf("go.mod: %s %s has %s; %s is good", f.name, version, f.why, f.version)
		}
	}
	if found < 8 {
		t.Errorf("%d modules of go.mod are in advisories.txt", found)
	}
}

// pinned returns the versions of a list of requirements, by name in lower case.
func pinned(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string]string{}
	line := regexp.MustCompile(`^([A-Za-z0-9._-]+)==([^ ;\\]+)`)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			out[strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(m[1]))] = m[2]
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("%s names no versions", path)
	}
	return out
}

func locks(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "python", "locks", "*.txt"))
	if err != nil || len(found) < 4 {
		t.Fatalf("%d lists in python/locks, %v", len(found), err)
	}
	return found
}

func TestPackages(t *testing.T) {
	t.Parallel()
	for _, path := range append(locks(t), filepath.Join(root, "python", "constraints.txt")) {
		versions := pinned(t, path)
		for _, f := range fixes(t) {
			if version, is := versions[f.name]; is && f.ecosystem == "python" && below(version, f.version) {
				t.Errorf("%s: %s %s has %s; %s is good", path, f.name, version, f.why, f.version)
			}
		}
	}
}

// What is installed is what python/constraints.txt says, each with its hashes. `make lock` writes the lists.
func TestLocks(t *testing.T) {
	t.Parallel()
	versions := pinned(t, filepath.Join(root, "python", "constraints.txt"))
	for _, path := range locks(t) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, version := range pinned(t, path) {
			if want, is := versions[name]; is && want != version {
				t.Errorf("%s: %s %s, and %s in python/constraints.txt: run `make lock`", path, name, version, want)
			}
			entry := regexp.MustCompile(`(?im)^` + strings.ReplaceAll(regexp.QuoteMeta(name), "-", "[-_.]") + `==.*\\\n +--hash=sha256:[0-9a-f]{64}`)
			if !entry.Match(content) {
				t.Errorf("%s: %s has no hash: run `make lock`", path, name)
			}
		}
	}
}

// Every module of the binary has a licence that may be handed on with it.
func TestLicences(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Dir}}{{end}}{{end}}", "./cmd/graphscore")
	command.Dir = root
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	good := regexp.MustCompile(`(?i)apache license|mit license|permission is hereby granted, free of charge|redistribution and use in source and binary|isc license|the freetype license|mozilla public license`)
	seen := map[string]bool{}
	for folder := range strings.FieldsSeq(string(out)) {
		if seen[folder] {
			continue
		}
		seen[folder] = true
		if !licensed(folder, good) {
			t.Errorf("%s: no licence that is known to be free", folder)
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d modules", len(seen))
	}
}

// licensed reports whether a file of a folder that is named for it has a text that matches.
func licensed(folder string, good *regexp.Regexp) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		if strings.HasPrefix(name, "licen") || strings.HasPrefix(name, "copying") || strings.HasPrefix(name, "readme") {
			if text, err := os.ReadFile(filepath.Join(folder, e.Name())); err == nil && good.Match(text) {
				return true
			}
		}
	}
	return false
}
