package jobtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"graphscore/writers/part"
)

// CountGraphs counts by id how often each graph comes out in an output: as rows of a part, and as lines of quarantine
// files. Graphs without nodes have no rows. A folder that does not exist has none.
func CountGraphs(output string) (map[string]int, error) {
	found := map[string]int{}
	if _, err := os.Stat(output); os.IsNotExist(err) {
		return found, nil
	}
	err := fs.WalkDir(os.DirFS(output), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		path := filepath.Join(output, filepath.FromSlash(name))
		switch {
		case strings.Contains("/"+name, "/"+part.QuarantineDir+"/") && strings.HasSuffix(name, ".jsonl"):
			return countQuarantined(path, found)
		case part.IsName(d.Name()):
			return countScored(path, found)
		}
		return nil
	})
	return found, err
}

func countQuarantined(path string, found map[string]int) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		var l struct {
			ID any `json:"graph_id"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		found[fmt.Sprint(l.ID)]++
	}
	return nil
}

func countScored(path string, found map[string]int) (err error) {
	r, err := part.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	last := ""
	for {
		b, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Ends {
			if id := fmt.Sprint(b.Graphs.Value(i)); id != last { // a graph may go on in the next block
				found[id]++
				last = id
			}
		}
	}
}
