package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"graphscore/pipeline/display"

	"github.com/dustin/go-humanize"
)

func comma(n int64) string { return humanize.Comma(n) }

// short number of four digits.
func short4(v float64) string {
	a := math.Abs(v)
	switch {
	case v == math.Trunc(v) && a < 1e6:
		return comma(int64(v))
	case a >= 1e6 || a < 1e-3:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1000:
		return comma(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// compact is for axes: 12k, 3.4M.
func compact(v float64) string {
	a := math.Abs(v)
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if a >= u.size {
			return strings.TrimSuffix(strconv.FormatFloat(v/u.size, 'f', 1, 64), ".0") + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// amount is a number of a Change with its unit.
func amount(v float64, unit string) string {
	switch unit {
	case "share":
		return display.Percent(v)
	case "seconds":
		return display.Duration(v)
	case "bytes":
		return display.Bytes(int64(v))
	case "graphs/s":
		return short4(math.Round(v)) + "/s"
	}
	return comma(int64(v))
}

// difference is how a Change went, in percent of before.
func difference(c Change) string {
	switch {
	case c.Before == c.Now:
		return "same"
	case c.Unit == "share":
		return fmt.Sprintf("%+.2f points", 100*(c.Now-c.Before))
	case c.Before == 0:
		return "new"
	}
	return fmt.Sprintf("%+.1f%%", 100*(c.Now-c.Before)/c.Before)
}

// short is the beginning of a digest.
func short(digest string) string {
	const length = len("sha256:") + 12
	if len(digest) > length {
		return digest[:length]
	}
	return digest
}

// sentence makes one of an error.
func sentence(err error) string {
	text := err.Error()
	first, n := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[n:] + "."
}

// quantileName is how a quantile is called.
func quantileName(share float64) string {
	switch share {
	case 0:
		return "least"
	case 0.5:
		return "median"
	case 1:
		return "most"
	}
	return strconv.FormatFloat(100*share, 'g', -1, 64) + "%"
}

// sizeRange is the label of a bar of sizes.
func sizeRange(b Bar) string {
	if b.To-b.From <= 1 {
		return comma(int64(b.From))
	}
	return comma(int64(b.From)) + "–" + comma(int64(b.To)-1)
}

// plain32 is the shortest decimal number that is that float32, as a person and JSON show it.
func plain32(v float32) float64 {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64) // it was made for this
	return f
}

// clock is a time for axes.
func clock(v float64) string {
	switch {
	case v >= 3600:
		return fmt.Sprintf("%d:%02d:%02d", int(v)/3600, int(v)/60%60, int(v)%60)
	case v >= 60:
		return fmt.Sprintf("%d:%02d", int(v)/60, int(v)%60)
	case v >= 10 || v == 0:
		return fmt.Sprintf("%.0f s", v)
	}
	return fmt.Sprintf("%.2g s", v)
}
