package display

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{Plural(0, "graph"), "0 graphs"}, {Plural(1, "row group"), "1 row group"}, {Plural(1234, "node"), "1,234 nodes"},
		{Counts(map[string]int64{"too_large": 1, "edge": 2000}), "edge 2,000, too_large 1"}, {Counts(map[string]int64{}), ""},
		{Bytes(int64(-1)), "0 B"}, {Bytes(1.5 * (1 << 30)), "1.5 GiB"},
		{Percent(0), "0%"}, {Percent(1), "100%"}, {Percent(0.00001), "< 0.01%"}, {Percent(0.99999), "> 99.99%"}, {Percent(0.0125), "1.25%"},
		{WholePercent(0.874), "87 %"},
		{Duration(0.421), "0.42 s"}, {Duration(12.56), "12.6 s"}, {Duration(187.9), "3 min 07 s"}, {Duration(18150), "5 h 02 min"},
		{Estimate(0.84), "0.8 s"}, {Estimate(12.4), "12 s"}, {Estimate(59.6), "1 min 0 s"}, {Estimate(200), "3 min 20 s"}, {Estimate(18600), "5 h 10 min"},
		{WithoutUser("see http://me:secret@host/x and ftp://a@b"), "see http://***@host/x and ftp://***@b"},
		{WithoutUser("https://host/a@b"), "https://host/a@b"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestParagraph(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 40)
	for _, test := range []struct{ prefix, text, want string }{
		{"note: ", "", "note: \n"},
		{"note: ", " a  b\nc ", "note: a b c\n"},
		{"", strings.Repeat("x", 100) + " y", strings.Repeat("x", 100) + "\n      y\n"},
		{"é: ", long, "é: " + strings.TrimSpace(strings.Repeat("word ", 15)) + "\n      " + strings.TrimSpace(strings.Repeat("word ", 15)) +
			"\n      " + strings.TrimSpace(strings.Repeat("word ", 10)) + "\n"},
	} {
		if got := Paragraph(test.prefix, test.text); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

// Wrapped lines fit the terminal, keep every word in order, and are as long as they can be.
func TestLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-zé]{1,30}`)).Draw(t, "words")
		first, rest := rapid.IntRange(0, 30).Draw(t, "first"), rapid.IntRange(0, 30).Draw(t, "rest")
		lines := Lines(strings.Join(words, " "), first, rest)
		if got := strings.Fields(strings.Join(lines, " ")); strings.Join(got, " ") != strings.Join(words, " ") {
			t.Fatalf("%q, want the words %q", lines, words)
		}
		before := first
		for i, line := range lines {
			if before+utf8.RuneCountInString(line) > Width {
				t.Fatalf("line %d is too wide: %q", i, line)
			}
			if i > 0 {
				next, _, _ := strings.Cut(line, " ")
				previous := utf8.RuneCountInString(lines[i-1])
				if at := map[bool]int{true: first, false: rest}[i == 1]; at+previous+1+utf8.RuneCountInString(next) <= Width {
					t.Fatalf("line %d is cut too early: %q", i-1, lines)
				}
			}
			before = rest
		}
	})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := JSON(&b, map[string]string{"path": "<a&b>"}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"path\": \"<a&b>\"\n}\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestHarmless: what a terminal could take as a command is escaped, and JSON stays what it says.
func TestHarmless(t *testing.T) {
	t.Parallel()
	const hostile = "ä\x1b\a\r\x7f\u009b\u061c\u202e\u2028\u2066 \n\t"
	if got, want := Harmless(hostile+"\xff"), "ä"+`\x1b\a\r\u007f\u009b\u061c\u202e\u2028\u2066`+" \n\t"+`\xff`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var b strings.Builder
	if err := JSON(&b, hostile); err != nil || b.String() != Harmless(b.String()) {
		t.Errorf("%q, %v", b.String(), err)
	}
	var back string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back != hostile {
		t.Errorf("%q, %v", back, err)
	}
}

func TestShellWords(t *testing.T) {
	t.Parallel()
	got := ShellWords([]string{"backfill", "my job.yaml", "--input", "a/{date}/*", "it's", "", "--server=h:1"})
	if want := `backfill 'my job.yaml' --input 'a/{date}/*' 'it'\''s' '' --server=h:1`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
