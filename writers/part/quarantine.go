package part

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

// QuarantineDir is the folder of an output that holds the quarantine files.
const QuarantineDir = "_quarantine"

const (
	partSuffix       = ".parquet"
	quarantineSuffix = ".jsonl"
)

// QuarantineName returns the name of the quarantine file of a part, both relative to the output.
func QuarantineName(part string) string { return QuarantineDir + "/" + part + quarantineSuffix }

// QuarantinePart returns the part that a quarantine file belongs to; ok is false for names that [QuarantineName] does
// not make.
func QuarantinePart(name string) (part string, ok bool) {
	rest, inside := strings.CutPrefix(name, QuarantineDir+"/")
	part, ok = strings.CutSuffix(rest, quarantineSuffix)
	return part, inside && ok
}

// quarantined is a line of a quarantine file. Nothing in it depends on the moment.
type quarantined struct {
	GraphID  any        `json:"graph_id"` // int64, string or null
	File     string     `json:"file"`
	RowGroup int        `json:"row_group"`
	Row      int64      `json:"row"`
	Code     graph.Code `json:"code"`
	Message  string     `json:"message"`
	Nodes    int64      `json:"nodes"`
	Edges    int64      `json:"edges"`
}

// QuarantineLine encodes a rejected graph of an input, with the newline. No id in it commands a terminal that shows the file.
func QuarantineLine(input string, r graph.Rejection) []byte {
	return []byte(display.Harmless(string(plainJSON(quarantined{
		GraphID: r.GraphID, File: input, RowGroup: r.RowGroup, Row: r.Row,
		Code: r.Code, Message: r.Message, Nodes: r.Nodes, Edges: r.Edges,
	}))) + "\n")
}

// QuarantineReader reads the quarantine file of a part back, line by line. One goroutine uses it. A part without
// quarantined graphs has no such file: its reader is at its end at once.
type QuarantineReader struct {
	path  string
	input string // of the part
	f     *os.File
	lines *bufio.Reader
	line  int64
	row   int64
}

// maxLine is the longest line of a quarantine file that is read.
const maxLine = 16 << 20

// OpenQuarantine opens a quarantine file, whose lines must name the input. One that does not exist has no lines. Errors
// are an *atomic.IOError or a *DamagedError.
func OpenQuarantine(path, input string) (*QuarantineReader, error) {
	q := &QuarantineReader{path: path, input: Text(input), row: -1}
	f, err := openFile(path)
	if atomic.Absent(err) {
		return q, nil
	}
	if err != nil {
		return nil, err
	}
	q.f, q.lines = f, bufio.NewReaderSize(f, 64<<10)
	return q, nil
}

// Next returns the next graph, io.EOF at the end. Rows ascend. A graph id is an int64, a string or nil.
func (q *QuarantineReader) Next() (graph.Rejection, error) {
	if q.f == nil {
		return graph.Rejection{}, io.EOF
	}
	line, err := q.read()
	if err != nil {
		return graph.Rejection{}, err
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var v quarantined
	if err := d.Decode(&v); err != nil || d.More() {
		return graph.Rejection{}, q.damaged("it is not the JSON of a graph")
	}
	r := graph.Rejection{
		GraphID: v.GraphID, RowGroup: v.RowGroup, Row: v.Row, Code: v.Code, Message: v.Message, Nodes: v.Nodes, Edges: v.Edges,
	}
	if number, is := v.GraphID.(json.Number); is {
		if r.GraphID, err = number.Int64(); err != nil {
			return graph.Rejection{}, q.damaged("graph_id is not an integer")
		}
	}
	switch {
	case v.Code == "":
		return graph.Rejection{}, q.damaged("it has no code")
	case v.File != q.input:
		return graph.Rejection{}, q.damaged("it is about %q, the part about %q", v.File, q.input)
	case v.Row <= q.row:
		return graph.Rejection{}, q.damaged("its row %d does not come after row %d", v.Row, q.row)
	}
	q.row = v.Row
	return r, nil
}

// read returns a line without its end.
func (q *QuarantineReader) read() ([]byte, error) {
	q.line++
	var line []byte
	for {
		chunk, err := q.lines.ReadSlice('\n')
		line = append(line, chunk...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull) && len(line) <= maxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, q.damaged("it is longer than 16 MiB")
		case err == io.EOF && len(line) > 0:
			return nil, q.damaged("it is cut short")
		case err == io.EOF:
			return nil, io.EOF
		default:
			return nil, &atomic.IOError{Op: "reading", Path: q.path, Err: err}
		}
	}
}

func (q *QuarantineReader) damaged(format string, args ...any) error {
	return &DamagedError{Path: q.path, Reason: fmt.Sprintf("line %d: %s", q.line, fmt.Sprintf(format, args...))}
}

// Close frees the file. It may be called more than once.
func (q *QuarantineReader) Close() error {
	if q.f == nil {
		return nil
	}
	err := q.f.Close()
	q.f = nil
	if err != nil {
		return &atomic.IOError{Op: "closing", Path: q.path, Err: err}
	}
	return nil
}
