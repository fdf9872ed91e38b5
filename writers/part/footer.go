package part

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

// Footer is what the footer of a part says: where the part comes from and what became of every graph.
type Footer struct {
	// Spec is what the part was made for. Its Rows are those of the shard, all accounted for.
	Spec
	// SettingsDigest is that of Settings.
	SettingsDigest string
	// Settings must not be changed: the footers of many parts may share them.
	Settings *Settings
	// RowsIn = Scored + Quarantined counts graphs, Nodes those of the scored ones.
	RowsIn, Scored, Quarantined int64
	Nodes                       int64
	// RowsOut counts the rows of the part: at level node as many as Nodes.
	RowsOut int64
	// EmbeddingWidth is the number of values in a row of the embedding, 0 where the settings name no step.
	EmbeddingWidth int
	// Codes counts the quarantined graphs by code. Never nil.
	Codes map[string]int64
	// QuarantineHash is that of the quarantine file, as [QuarantineSum] has it. It is empty where no graph is quarantined,
	// and in parts of the form part/2, which did not keep it.
	QuarantineHash string

	// settings is Settings as the footer has them: those of another version may have other keys.
	settings []byte
}

// NewFooter begins the footer of a part, with all counts at zero.
func NewFooter(spec Spec, settings Settings) Footer {
	return Footer{Spec: spec, Settings: &settings, SettingsDigest: settings.Digest(), Codes: map[string]int64{}}
}

// The keys in a footer.
const (
	keyFormat      = "graphscore.format"
	keyPart        = "graphscore.part"
	keyInput       = "graphscore.input"
	keyFingerprint = "graphscore.fingerprint"
	keyFirstGroup  = "graphscore.first_row_group"
	keyLastGroup   = "graphscore.last_row_group"
	keyModel       = "graphscore.model"
	keyDigest      = "graphscore.settings_digest"
	keySettings    = "graphscore.settings"
	keyRowsIn      = "graphscore.rows_in"
	keyScored      = "graphscore.scored"
	keyQuarantined = "graphscore.quarantined"
	keyNodes       = "graphscore.nodes"
	keyCodes       = "graphscore.quarantined_by_code"

	// The keys of part/3: of a level that is not node, of an embedding, and of quarantined graphs.
	keyLevel           = "graphscore.level"
	keyRowsOut         = "graphscore.rows"
	keyEmbedding       = "graphscore.embedding_width"
	keyQuarantineLines = "graphscore.quarantine_lines"
	keyQuarantineHash  = "graphscore.quarantine_sha256"
)

// The forms of parts and their footers. A part that needs nothing of form3 has form2, to the byte as versions wrote it
// that did not know another. A part of any other form does not match.
const (
	form2 = "part/2"
	form3 = "part/3" // keeps what its quarantine file must be, its level and its embedding
)

// form is the one that a part is written in.
func (l *Footer) form() string {
	if l.Quarantined > 0 || l.Level() != graph.NodeLevel || l.Settings.Embed != "" {
		return form3
	}
	return form2
}

// Level is what a row of the part belongs to.
func (l *Footer) Level() graph.Level {
	level, _ := l.Settings.ScoreLevel() // Contents were valid, or parseFooter has looked
	return level
}

// keyValues is the footer as key and value metadata, always in the same order.
func (l *Footer) keyValues() [][2]string {
	pairs := [][2]string{
		{keyFormat, l.form()},
		{keyPart, Text(l.Part)},
		{keyInput, Text(l.Input)},
		{keyFingerprint, Text(l.Fingerprint)},
		{keyFirstGroup, strconv.Itoa(l.FirstGroup)},
		{keyLastGroup, strconv.Itoa(l.LastGroup)},
		{keyModel, Text(l.Model)},
		{keyDigest, l.SettingsDigest},
		{keySettings, string(l.Settings.JSON())},
		{keyRowsIn, strconv.FormatInt(l.RowsIn, 10)},
		{keyScored, strconv.FormatInt(l.Scored, 10)},
		{keyQuarantined, strconv.FormatInt(l.Quarantined, 10)},
		{keyNodes, strconv.FormatInt(l.Nodes, 10)},
		{keyCodes, string(plainJSON(l.Codes))},
	}
	if level := l.Level(); level != graph.NodeLevel {
		pairs = append(pairs, [2]string{keyLevel, level.String()}, [2]string{keyRowsOut, strconv.FormatInt(l.RowsOut, 10)})
	}
	if l.EmbeddingWidth > 0 {
		pairs = append(pairs, [2]string{keyEmbedding, strconv.Itoa(l.EmbeddingWidth)})
	}
	if l.Quarantined > 0 {
		pairs = append(pairs, [2]string{keyQuarantineLines, strconv.FormatInt(l.Quarantined, 10)},
			[2]string{keyQuarantineHash, l.QuarantineHash})
	}
	return pairs
}

// Share replaces what a footer that matches a spec and settings has of them by theirs, so that the footers of many parts do
// not keep the same texts many times. Codes must not be changed then.
func (l *Footer) Share(spec Spec, known Known, digest string) {
	for _, text := range []struct {
		own *string
		to  string
	}{
		{&l.Part, spec.Part}, {&l.Input, spec.Input}, {&l.Fingerprint, spec.Fingerprint}, {&l.Model, spec.Model},
		{&l.SettingsDigest, digest},
	} {
		if *text.own == text.to {
			*text.own = text.to
		}
	}
	if l.SettingsDigest == digest {
		l.Settings, l.settings = known.settings, nil
	}
	if len(l.Codes) == 0 {
		l.Codes = known.codes
	}
}

// ErrForeign says that a file is Parquet, but was not made by graphscore.
var ErrForeign = errors.New("it was not made by graphscore")

// DamagedError says that a file cannot be read as a part.
type DamagedError struct {
	Path, Reason string
	// NotFile: it is a folder, a link or the like.
	NotFile bool
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the part %q is damaged: %s: remove it and run again, which scores it anew", e.Path, e.Reason)
}

// IsPartError reports whether an error is that of a single file which is no part, or a broken one: a reader of an
// output may name it and go on.
func IsPartError(err error) bool {
	var damaged *DamagedError
	return errors.As(err, &damaged) || errors.Is(err, ErrForeign)
}

// ReadFooter reads the footer of the part at path. The error is an *atomic.IOError, a *DamagedError, or one that wraps
// [ErrForeign] where the file is Parquet of another maker.
func ReadFooter(path string) (*Footer, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadFooterOf(f, path)
}

// openFile opens a file that may be a part or its quarantine file. Errors are an *atomic.IOError or a *DamagedError.
func openFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: path, Err: err}
	}
	if !info.Mode().IsRegular() { // opening a pipe blocks
		return nil, &DamagedError{Path: path, Reason: "it is not a file", NotFile: true}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: path, Err: err}
	}
	return f, nil
}

// ReadFooterOf is [ReadFooter] for a file that is open. It reads no more than the footer, and takes any bytes: a panic
// of the library is a *DamagedError. The path is for messages.
func ReadFooterOf(f atomic.Opened, path string) (*Footer, error) {
	return ReadFooterLike(f, path, Known{})
}

// Known are settings with their JSON, and what the footers of parts have in common: what is the same is not decoded again. The
// zero value knows none.
type Known struct {
	settings *Settings
	json     string
	raw      []byte           // the same
	codes    map[string]int64 // of a part without graphs in quarantine
	shapes   *shapes
}

// NewKnown knows the settings.
func NewKnown(s Settings) Known {
	raw := s.JSON()
	return Known{&s, string(raw), raw, map[string]int64{}, &shapes{}}
}

// ReadFooterLike is [ReadFooterOf] for one of many parts that are likely to have known settings.
func ReadFooterLike(f atomic.Opened, path string, known Known) (l *Footer, err error) {
	defer func() {
		if recover() != nil {
			l, err = nil, &DamagedError{Path: path, Reason: "its footer cannot be decoded"}
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: path, Err: err}
	}
	if !info.Mode().IsRegular() {
		return nil, &DamagedError{Path: path, Reason: "it is not a file", NotFile: true}
	}
	if known.shapes == nil {
		known.shapes = &shapes{}
	}
	buf, _ := known.shapes.buffers.Get().(*room)
	if buf == nil {
		buf = &room{}
	}
	defer known.shapes.put(buf)
	footer, err := buf.footer(f, info.Size(), path)
	if err != nil {
		return nil, err
	}
	said := &buf.scanned
	if !known.shapes.read(footer, said) {
		return nil, &DamagedError{Path: path, Reason: "its footer cannot be decoded"}
	}
	switch format := string(said.of(keyFormat)); format {
	case form2, form3:
	case "":
		return nil, fmt.Errorf("reading the part %q: %w", path, ErrForeign)
	default:
		return nil, &DamagedError{Path: path, Reason: fmt.Sprintf("it has the form %q of another version of graphscore", format)}
	}
	l, err = parseFooter(said, known)
	if err != nil {
		return nil, &DamagedError{Path: path, Reason: err.Error()}
	}
	if l.RowsOut != said.rows {
		return nil, &DamagedError{Path: path, Reason: fmt.Sprintf("its footer speaks of %d %ss and %d rows", l.RowsOut, l.Level(), said.rows)}
	}
	return l, nil
}

// footerBytes returns the bytes between the last page and the length of the footer.
func footerBytes(f io.ReaderAt, size int64, path string) ([]byte, error) {
	return new(room).footer(f, size, path)
}

// endRead is how many bytes at the end of a part are read at once: most footers are in them, and most small parts.
const endRead = 8 << 10

// footer returns the bytes between the last page and the length of the footer, which are valid until the next call.
func (b *room) footer(f io.ReaderAt, size int64, path string) ([]byte, error) {
	const magic = "PAR1"
	if size < 12 {
		return nil, &DamagedError{Path: path, Reason: fmt.Sprintf("it has only %d bytes", size)}
	}
	read := func(n, at int64) ([]byte, error) {
		if int64(cap(b.raw)) < n {
			b.raw = make([]byte, max(n, endRead))
		}
		if _, err := f.ReadAt(b.raw[:n], at); err != nil {
			return nil, &atomic.IOError{Op: "reading", Path: path, Err: err}
		}
		return b.raw[:n], nil
	}
	var head [4]byte
	end, err := read(min(size, endRead), size-min(size, endRead))
	if err != nil {
		return nil, err
	}
	if copy(head[:], end); int64(len(end)) < size {
		if _, err := f.ReadAt(head[:], 0); err != nil {
			return nil, &atomic.IOError{Op: "reading", Path: path, Err: err}
		}
	}
	if string(head[:]) != magic || string(end[len(end)-4:]) != magic {
		return nil, &DamagedError{Path: path, Reason: "it is not a whole Parquet file"}
	}
	length := int64(binary.LittleEndian.Uint32(end[len(end)-8:]))
	if length > size-12 {
		return nil, &DamagedError{Path: path, Reason: "its footer is longer than the file"}
	}
	if length <= int64(len(end))-8 {
		return end[int64(len(end))-8-length : len(end)-8], nil
	}
	return read(length, size-8-length)
}

func parseFooter(said *scanned, known Known) (*Footer, error) {
	l := &Footer{
		Spec: Spec{
			Part: said.text(keyPart, ""), Input: said.text(keyInput, ""),
			Fingerprint: said.text(keyFingerprint, ""), Model: said.text(keyModel, ""),
		},
		SettingsDigest: said.text(keyDigest, ""),
	}
	first, last := int64(0), int64(0)
	for _, n := range []struct {
		key string
		to  *int64
	}{
		{keyFirstGroup, &first}, {keyLastGroup, &last}, {keyRowsIn, &l.RowsIn}, {keyScored, &l.Scored},
		{keyQuarantined, &l.Quarantined}, {keyNodes, &l.Nodes},
	} {
		v, err := strconv.ParseInt(string(said.of(n.key)), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("its footer has no number for %s", n.key)
		}
		*n.to = v
	}
	l.FirstGroup, l.LastGroup, l.Rows = int(first), int(last), l.RowsIn
	switch text := said.of(keyCodes); {
	case string(text) == "{}" && known.codes != nil:
		l.Codes = known.codes
	case json.Unmarshal(text, &l.Codes) != nil || l.Codes == nil:
		return nil, fmt.Errorf("its footer has no counts for %s", keyCodes)
	}
	if text := said.of(keySettings); len(text) > 0 && string(text) == known.json {
		l.Settings, l.settings = known.settings, known.raw
	} else {
		l.Settings, l.settings = &Settings{}, bytes.Clone(text)
		if err := json.Unmarshal(text, l.Settings); err != nil {
			return nil, fmt.Errorf("its footer has no settings for %s", keySettings)
		}
	}
	if err := l.parseLevel(said); err != nil {
		return nil, err
	}
	if err := l.parseEmbedding(said); err != nil {
		return nil, err
	}
	if l.RowsIn != l.Scored+l.Quarantined {
		return nil, fmt.Errorf("its footer counts %d graphs in, but %d scored and %d quarantined",
			l.RowsIn, l.Scored, l.Quarantined)
	}
	if string(said.of(keyFormat)) != form3 || l.Quarantined == 0 {
		return l, nil
	}
	if lines := string(said.of(keyQuarantineLines)); lines != strconv.FormatInt(l.Quarantined, 10) {
		return nil, fmt.Errorf("its footer counts %d graphs quarantined, but %q lines of its quarantine file", l.Quarantined, lines)
	}
	if l.QuarantineHash = string(said.of(keyQuarantineHash)); !isHash(l.QuarantineHash) {
		return nil, fmt.Errorf("its footer has no hash for %s", keyQuarantineHash)
	}
	return l, nil
}

// parseLevel reads the level and the rows of the part, which at level node are in no key of their own.
func (l *Footer) parseLevel(said *scanned) (err error) {
	if _, err := l.Settings.ScoreLevel(); err != nil {
		return fmt.Errorf("the %w in its settings", err)
	}
	level := l.Level()
	if text := string(said.of(keyLevel)); text != "" && text != level.String() || text == "" && level != graph.NodeLevel {
		return fmt.Errorf("its footer has level %q, its settings speak of %s", text, level)
	}
	if l.RowsOut = l.Nodes; level != graph.NodeLevel {
		if l.RowsOut, err = strconv.ParseInt(string(said.of(keyRowsOut)), 10, 64); err != nil {
			return fmt.Errorf("its footer has no number for %s", keyRowsOut)
		}
	}
	return nil
}

// parseEmbedding reads the number of values in a row of the embedding, which exists where the settings name a step.
func (l *Footer) parseEmbedding(said *scanned) error {
	text := string(said.of(keyEmbedding))
	if text == "" && l.Settings.Embed == "" {
		return nil
	}
	width, err := strconv.ParseInt(text, 10, 32)
	if err != nil || width < 1 || l.Settings.Embed == "" {
		return fmt.Errorf("its footer has %q for %s, and its settings the step %q", text, keyEmbedding, l.Settings.Embed)
	}
	l.EmbeddingWidth = int(width)
	return nil
}
