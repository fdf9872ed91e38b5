package jobs_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"graphscore/jobs"
	"graphscore/pipeline/faulttest"
)

// utf16Bytes is a text in UTF-16.
func utf16Bytes(order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A file that is no text is named for what it is, and nothing of it is shown.
func TestJobFileOfAnotherKindIsNamed(t *testing.T) {
	t.Parallel()
	const job = "name: SECRET\ninput: {path: x}\n"
	secret := "SECRET\x00\x01\x1b[31m"
	for name, test := range map[string]struct{ content, want string }{
		"Parquet":            {"PAR1\x15\x04" + secret + "PAR1", "is a Parquet file, not a job file in YAML: name data with --input"},
		"Arrow file":         {"ARROW1\x00\x00" + secret, "is an Arrow file"},
		"Arrow stream":       {"\xff\xff\xff\xff\x10\x00\x00\x00" + secret, "is an Arrow stream"},
		"safetensors":        {"\x40\x00\x00\x00\x00\x00\x00\x00{\"SECRET\":{}}", "is a safetensors file"},
		"NumPy":              {"\x93NUMPY\x01\x00" + secret, "is a NumPy file"},
		"zip, npz, pt":       {"PK\x03\x04" + secret, "is a zip archive"},
		"pickle":             {"\x80\x04\x95" + secret, "is a pickle"},
		"gzip":               {gzipped(t, job), "is compressed with gzip"},
		"UTF-16 LE with BOM": {"\xff\xfe" + utf16Bytes(binary.LittleEndian, job), "is text in UTF-16, not a job file in YAML: save it as UTF-8"},
		"UTF-16 BE with BOM": {"\xfe\xff" + utf16Bytes(binary.BigEndian, job), "is text in UTF-16"},
		"UTF-16 LE":          {utf16Bytes(binary.LittleEndian, job), "is text in UTF-16"},
		"UTF-16 BE":          {utf16Bytes(binary.BigEndian, job), "is text in UTF-16"},
		"binary":             {"\x01\x02\x00\x00\x07" + secret, "is a binary file"},
		"Latin-1":            {"# SECRET gr\xfcn\n", ":1: is not UTF-8: save the job file as UTF-8"},
		"escape code":        {"name: a\n\x1b[31mSECRET: 1\n", ":2:1: has the control character U+001B"},
	} {
		_, err := jobs.Load(write(t, test.content))
		var e *jobs.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), "SECRET") || strings.ContainsAny(err.Error(), "\x00\x1b") {
			t.Errorf("%s: shows what is in the file: %q", name, err)
		}
	}
}

func TestLoadMarksAndLineEnds(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"byte order mark": "\xef\xbb\xbfname: a\ninput: {path: /x}\n",
		"CRLF":            "name: a\r\ninput:\r\n  path: /x\r\n",
		"both":            "\xef\xbb\xbfname: a\r\ninput: {path: /x}\r\n",
		"JSON with tabs":  "{\n\t\"name\": \"a\",\n\t\"input\": {\"path\": \"/x\"}\n}\n",
		"no end of line":  "name: a\ninput: {path: /x}",
	} {
		job, err := jobs.Load(write(t, content))
		if err != nil || job.Name != "a" || job.Input.Path.String() != "/x" {
			t.Errorf("%s: %v, %v", name, job, err)
		}
	}
}

// What a terminal takes as a command is escaped, wherever it comes from.
func TestErrorsAreHarmlessForATerminal(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"key":               "\"\\e[31mred\": 1\n",
		"nested key":        "input: {\"\\x9b2J\": 1}\n",
		"value":             "workers: \"\\e[31m\"\n",
		"size":              "input: {shard_bytes: \"\\a\\e[2J\"}\n",
		"duration":          "limits: {deadline: \"\\e]0;x\\a\"}\n",
		"twice":             "\"\\ea\": 1\n\"\\ea\": 2\n",
		"direction":         "\"\u202ename\": 1\n",
		"carriage return":   "\"a\\rb\": 1\n",
		"a name, validated": "name: \"\\e[31m\"\npartition: \"\\e[31m\"\n",
	} {
		job, err := jobs.Load(write(t, content))
		if err == nil {
			err = job.WithDefaults().Validate()
		}
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\a\r\u009b\u202e") {
			t.Errorf("%s: %q", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), "a\x1b[31m\nb.yaml")
	if _, err := jobs.Load(path); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
	faulttest.Report(t, faulttest.Row{Case: "J", How: "escape codes and marks of direction in keys, values and the name of a job file",
		Outcome: "an error that has none of them", Times: 10})
}

// What the YAML library would take minutes for is refused before: else the tests of this package would not end.
func TestHostileJobFilesAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	times := 0
	for _, unit := range []string{
		"[", "{", "- ", "-\t", "? ", "a: ", "&a ", "!!x ", "*a ", "%", "@", "\"", "'", "'' ", "[],", "a,", "a b ", "<<: ", "#", "|", ":", "\t", " ",
		"{a: ", "[a, ", "- [", "\"[\" ", "a: [",
	} {
		for _, end := range []string{"", "\n"} {
			for _, size := range []int{4 << 10, 1 << 20} {
				path := filepath.Join(t.TempDir(), "job.yaml")
				text := strings.Repeat(unit+end, size/len(unit+end))
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := jobs.Load(path); err == nil && size == 1<<20 {
					t.Errorf("%q, %d bytes: no error", unit+end, size)
				}
				times++
			}
		}
	}
	faulttest.Report(t, faulttest.Row{Case: "I", How: "job files of 4 KiB and 1 MiB of brackets, quotes, anchors, tabs and the like",
		Outcome: "an error, at once: the tests would not end else", Times: times})
}

// Braces and brackets that YAML takes for its own are told from others.
func TestPatternsNeedQuotesInsideBraces(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		at   string // "" where it is fine
	}{
		"flow mapping":          {"input: {path: data/dt={date}}\n", ":1:23: {date} is in a text without quotes"},
		"with a layout":         {"input: {path: data/{date:2006/01}}\n", ":1:20: {date:2006/01} is"},
		"at the beginning":      {"input: {path: {date}/x}\n", ":1:15: {date} is"},
		"block, beginning":      {"input:\n  path: {date}/x\n", ":2:9: {date} is"},
		"flow list":             {"input: {path: [\"a\", data/{date}]}\n", ":1:26: {date} is"},
		"list in a block":       {"input:\n  path: [data/[0-9]*.parquet]\n", ":2:15: [ is"},
		"alternatives":          {"input: {path: data/*.{parquet,arrow}}\n", ":1:22: { is"},
		"class":                 {"input: {path: data/[0-9]*.parquet}\n", ":1:20: [ is"},
		"second line":           {"input: {layout: rows,\n  path: data/{date}}\n", ":2:14: {date} is"},
		"output":                {"output: {path: out/dt={date}}\n", ":1:23: {date} is"},
		"quoted":                {"input: {path: \"data/dt={date}\"}\n", ""},
		"quoted singly":         {"input: {path: 'data/{a,b}/[0-9]/it''s {date}'}\n", ""},
		"block":                 {"input:\n  path: data/dt={date}/[0-9]*.{parquet,arrow}\n", ""},
		"block, behind a space": {"input:\n  path: my data {date}\n", ""},
		"block list":            {"input:\n  path:\n    - {name: a, path: \"{date}\"}\n    - {name: b, path: x}\n", ""},
		"comment":               {"# path: {date}, {a: b{c}}\nname: a # {x{date}}\n", ""},
		"apostrophe":            {"name: it's\ninput: {path: x}\n", ""},
		"JSON":                  {"{\"input\":{\"path\":[\"a\"],\"columns\":{}}}\n", ""},
	} {
		_, err := jobs.Load(write(t, test.text))
		switch {
		case test.at == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.at != "" && (err == nil || !strings.Contains(err.Error(), test.at) || !strings.Contains(err.Error(), "put the text in quotes") || !strings.HasSuffix(err.Error(), " ^")):
			t.Errorf("%s: got %v, want %q", name, err, test.at)
		}
	}
}

func TestLoadBlamesTheRightThing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"tab":               {"input:\n\tpath: x\n", ":2:1: the line is indented with a tab, which YAML does not allow"},
		"tab, later":        {"input:\n  path: x\n\tlayout: rows\n", ":3:1: the line is indented with a tab"},
		"twice":             {"name: a\nname: b\n", ":2:1: mapping key \"name\" already defined at [1:1]"},
		"no mapping":        {"just a text\n", ":1:1: expected a mapping, as in `key: value`"},
		"no list":           {"server: {addresses: a:1}\n", ":1:21: expected a list, as in [a, b]"},
		"fraction":          {"workers: 1.5\n", ":1:10: workers is 1.5: it must be a whole number"},
		"fraction, nested":  {"gates:\n  min_graphs: 2.5\n", ":2:15: gates.min_graphs is 2.5: it must be a whole number"},
		"fraction of bytes": {"input: {shard_bytes: 1.5}\n", ":1:22: \"1.5\" is not a whole number of bytes"},
		"message bytes":     {"limits: {message_bytes: 65536.5}\n", ":1:25: \"65536.5\" is not a whole number of bytes"},
		"boolean":           {"workers: true\n", ":1:10: expected a number, got true or false"},
		"text":              {"workers: \"2\"\n", ":1:10: workers is the text \"2\": write a number without quotes"},
		"text of a limit":   {"gates: {drift: {psi: \"0.1\"}}\n", ":1:22: gates.drift.psi is the text \"0.1\""},
		"infinity":          {"gates: {drift: {psi: .inf}}\n", ":1:22: gates.drift.psi is .inf"},
		"overflow":          {"workers: 99999999999999999999\n", ":1:10: 99999999999999999999 is out of the range"},
		"null":              {"workers: null\n", ":1:1: workers has no value: write one, or take the key out"},
		"nothing":           {"name: a\nworkers:\n", ":2:1: workers has no value"},
		"tilde":             {"output: {path: ~}\n", ":1:10: output.path has no value"},
		"empty TLS":         {"server:\n  addresses: [a:1]\n  tls:\n", ":3:3: server.tls has no value"},
		"empty gate":        {"gates: {drift: }\n", ":1:9: gates.drift has no value"},
		"null in a list":    {"server: {addresses: [a:1, null]}\n", "server.addresses[1] has no value"},
		"empty text":        {"output: {path: \"\"}\n", ":1:16: output.path is empty"},
		"empty name":        {"name: ''\n", ":1:7: name is empty"},
		"empty in a list":   {"server: {addresses: [\"\"]}\n", "server.addresses[0] is empty"},
		"tag":               {"name: !!int x\n", "name has the tag !!int"},
	} {
		_, err := jobs.Load(write(t, test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "^") {
			t.Errorf("%s: got %v, want %q with a caret", name, err, test.want)
		}
	}
	for _, fine := range []string{
		"input: {shard_bytes: 1.5MiB}\n", "workers: 2\n", "gates: {drift: {psi: 1, mean: 0.5}}\n", "gates: {quarantine_rate: 1%}\n",
		"gates: {quarantine_rate: 0.01}\n", "server: {tls: {}}\n", "# nothing\n", "", "input:\n  path: &p x\noutput: {path: out}\n",
	} {
		if _, err := jobs.Load(write(t, fine)); err != nil {
			t.Errorf("%q: %v", fine, err)
		}
	}
}
