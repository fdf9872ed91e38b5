package run

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"graphscore/pipeline/display"
	"graphscore/readers"
)

// decode decodes a plan that is written as [PlanFile.Write] has it, file by file: of many, the whole would take long.
// ok is false for any other JSON, which may be a plan all the same.
func (p *PlanFile) decode(plan []byte) (ok bool) {
	const key, none = `"files":`, "null" // no text in JSON has the key: its quotes would be escaped
	head, rest, found := bytes.Cut(plan, []byte(key))
	if !found {
		return false
	}
	c := &listed{b: rest}
	var files []readers.ListedFile
	if c.list(func() { files = append(files, c.file()) }); c.bad {
		return false
	}
	short := bytes.Join([][]byte{head, []byte(key + none), c.b}, nil)
	if json.Unmarshal(short, p) != nil {
		return false
	}
	if again, err := display.CompactJSON(p); err != nil || !bytes.Equal(again, short) { // the key may be elsewhere, or there twice
		return false
	}
	p.Input.Files = files
	return true
}

// listed reads the files of a plan as [PlanFile.Write] has them, with each key in its place. Anything else is bad.
type listed struct {
	b   []byte // what is left
	bad bool
}

// take takes a text.
func (c *listed) take(text string) {
	if !c.takes(text) {
		c.fail()
	}
}

// takes takes a text if it comes next.
func (c *listed) takes(text string) bool {
	if len(c.b) < len(text) || string(c.b[:len(text)]) != text {
		return false
	}
	c.b = c.b[len(text):]
	return true
}

func (c *listed) fail() { c.b, c.bad = nil, true }

// list reads a list of at least one.
func (c *listed) list(one func()) {
	for c.take("["); !c.bad; c.take(",") {
		if one(); c.takes("]") {
			return
		}
	}
}

func (c *listed) file() (f readers.ListedFile) {
	c.take(`{"input":`)
	f.Input = int(c.number())
	c.take(`,"path":`)
	f.Path = c.text()
	c.take(`,"size":`)
	f.Size = c.number()
	c.take(`,"fingerprint":`)
	f.Fingerprint = c.text()
	c.take(`,"rows":`)
	f.Rows = c.number()
	c.take(`,"groups":`)
	f.Groups = int(c.number())
	c.take(`,"shards":`)
	c.list(func() { f.Shards = append(f.Shards, c.shard()) })
	c.take("}")
	return f
}

func (c *listed) shard() (s readers.ListedShard) {
	c.take(`{"part":`)
	s.Part = c.text()
	c.take(`,"first_row_group":`)
	s.FirstGroup = int(c.number())
	c.take(`,"last_row_group":`)
	s.LastGroup = int(c.number())
	c.take(`,"first_row":`)
	s.FirstRow = c.number()
	c.take(`,"rows":`)
	s.Rows = c.number()
	c.take(`,"bytes":`)
	s.Bytes = c.number()
	c.take("}")
	return s
}

// number reads an integer.
func (c *listed) number() int64 {
	n := 0
	for n < len(c.b) && (c.b[n] >= '0' && c.b[n] <= '9' || n == 0 && c.b[0] == '-') {
		n++
	}
	v, err := strconv.ParseInt(string(c.b[:n]), 10, 64)
	if err != nil || strconv.FormatInt(v, 10) != string(c.b[:n]) {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

// text reads a text. One with escapes is left to the library.
func (c *listed) text() (text string) {
	c.take(`"`)
	end := bytes.IndexByte(c.b, '"')
	if end < 0 {
		c.fail()
		return ""
	}
	plain := c.b[:end]
	if bytes.IndexByte(plain, '\\') < 0 {
		if c.b = c.b[end+1:]; !utf8.Valid(plain) || bytes.ContainsFunc(plain, func(r rune) bool { return r < ' ' }) {
			c.fail()
		}
		return string(plain)
	}
	for end = 0; end < len(c.b) && c.b[end] != '"'; end++ {
		if c.b[end] == '\\' {
			end++
		}
	}
	if end >= len(c.b) || json.Unmarshal(append(append([]byte{'"'}, c.b[:end]...), '"'), &text) != nil {
		c.fail()
		return ""
	}
	c.b = c.b[end+1:]
	return text
}
