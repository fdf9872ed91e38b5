package report

// buckets joins the spans of a run to at most n of about the same length, each with its mean speed.
func buckets(rates []Rate, n int) []Rate {
	if len(rates) == 0 {
		return nil
	}
	first, last := rates[0].From, rates[len(rates)-1].To
	list := []Rate{}
	for _, r := range rates {
		i := len(list) - 1
		middle := (r.From + r.To) / 2
		if i < 0 || middle >= first+float64(i+1)*(last-first)/float64(n) && len(list) < n {
			list = append(list, r)
			continue
		}
		list[i].To = r.To
		list[i].Graphs += r.Graphs
	}
	for i := range list {
		if span := list[i].To - list[i].From; span > 0 {
			list[i].PerSecond = float64(list[i].Graphs) / span
		}
	}
	return list
}

// fold joins neighbours, so that there are at most n bars.
func fold(bars []Bar, n int) []Bar {
	width := (len(bars) + n - 1) / n
	list := []Bar{}
	for i, b := range bars {
		if i%width == 0 {
			list = append(list, b)
			continue
		}
		last := &list[len(list)-1]
		last.To, last.Count = b.To, last.Count+b.Count
	}
	return list
}

// highest is the largest count.
func highest(bars []Bar) float64 {
	var most int64
	for _, b := range bars {
		most = max(most, b.Count)
	}
	return float64(most)
}

// fastest is the largest speed.
func fastest(rates []Rate) float64 {
	var most float64
	for _, r := range rates {
		most = max(most, r.PerSecond)
	}
	return most
}
