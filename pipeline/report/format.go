package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"graphscore/pipeline/display"

	"github.com/dustin/go-humanize"
)

func comma(n int64) string { return humanize.Comma(n) }

// short number of four digits, whole ones in full up to nine.
func short4(v float64) string { return digits(v, 4) }

// digits writes a number with so many of its digits, and without an exponent where that is short.
func digits(v float64, n int) string {
	a := math.Abs(v)
	switch {
	case v == math.Trunc(v) && a < 1e9:
		return comma(int64(v))
	case a >= 1e9 || a < 1e-3:
		return exponent(strconv.FormatFloat(v, 'e', n-1, 64))
	case a >= math.Pow(10, float64(n-1)):
		return comma(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'g', n, 64)
}

// exponent writes 1.500e+06 as 1.5e6.
func exponent(text string) string {
	mantissa, power, _ := strings.Cut(text, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	sign := ""
	if strings.HasPrefix(power, "-") {
		sign = "-"
	}
	return mantissa + "e" + sign + strings.TrimLeft(power, "+-0")
}

// distinct writes numbers with at least four digits, and with as many more as their differences need.
func distinct(values []float64) []string {
	const float32Digits = 9
	texts := make([]string, len(values))
	for n := 4; n <= float32Digits; n++ {
		same := false
		seen := map[string]float64{}
		for i, v := range values {
			texts[i] = digits(v, n)
			if other, is := seen[texts[i]]; is && other != v {
				same = true
			}
			seen[texts[i]] = v
		}
		if !same {
			break
		}
	}
	return texts
}

// ticks writes the numbers of an axis in one form: with the decimals that their steps need, and where that is long as a
// multiple of one power of ten.
func ticks(values []float64) []string {
	const long = 11
	step, most := math.Inf(1), 0.0
	for i, v := range values {
		if most = max(most, math.Abs(v)); i > 0 && v != values[i-1] {
			step = min(step, math.Abs(v-values[i-1]))
		}
	}
	if math.IsInf(step, 1) || most == 0 {
		return distinct(values)
	}
	power := math.Floor(math.Log10(most))
	plain, plainest := fixed(values, step, 0)
	scaled, shortest := fixed(values, step, int(power))
	if plainest <= long || plainest <= shortest {
		return plain
	}
	return scaled
}

// fixed writes numbers as multiples of a power of ten with the decimals that a step needs, and returns the length of the
// longest.
func fixed(values []float64, step float64, power int) (texts []string, longest int) {
	const most = 16
	scale := math.Pow(10, float64(power))
	decimals := 0
	for ; decimals < most; decimals++ {
		unit := math.Pow(10, float64(decimals)) / scale
		if !slices.ContainsFunc(values, func(v float64) bool { return math.Abs(math.Round(v*unit)-v*unit) > 1e-3*step*unit }) {
			break
		}
	}
	for _, v := range values {
		text := "0"
		if v != 0 {
			text = strconv.FormatFloat(v/scale, 'f', decimals, 64)
		}
		switch {
		case power != 0 && v != 0:
			text += "e" + strconv.Itoa(power)
		case math.Abs(v) >= 1000:
			whole, rest, _ := strings.Cut(text, ".")
			if n, err := strconv.ParseInt(whole, 10, 64); err == nil {
				if text = comma(n); rest != "" {
					text += "." + rest
				}
			}
		}
		texts, longest = append(texts, text), max(longest, len(text))
	}
	return texts, longest
}

// compact is for axes: 12k, 3.4M.
func compact(v float64) string {
	a := math.Abs(v)
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
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

// sizeRanges are the labels of bars of sizes.
func sizeRanges(bars []Bar) []string {
	labels := make([]string, len(bars))
	for i, b := range bars {
		labels[i] = sizeRange(b)
	}
	return labels
}

// lowerEnds are the labels of bars of scores.
func lowerEnds(bars []Bar) []string {
	values := make([]float64, len(bars))
	for i, b := range bars {
		values[i] = b.From
	}
	return ticks(values)
}

// named is a quantile as it is shown.
type named struct{ Name, Text string }

// quantileTexts writes quantiles so that those that differ look different.
func quantileTexts(list []Quantile) []named {
	values := make([]float64, len(list))
	for i, q := range list {
		values[i] = q.Value
	}
	out := make([]named, len(list))
	for i, text := range distinct(values) {
		out[i] = named{quantileName(list[i].Share), text}
	}
	return out
}

// bothTexts writes the quantiles before and now alike.
func bothTexts(s ScoreDrift) [2][]named {
	both := quantileTexts(append(slices.Clone(s.Before), s.Now...))
	return [2][]named{both[:len(s.Before)], both[len(s.Before):]}
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
