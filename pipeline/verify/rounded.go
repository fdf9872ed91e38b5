package verify

import (
	"fmt"
	"io"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// rounded counts the graphs of a part with integers that float32 may not hold. Versions before graph.CategoryOutOfRange
// scored them with the nearest float32; runs leave such parts as they are.
type rounded struct {
	graphs int64
	first  graph.Rejection
}

func (r *rounded) Error() string {
	of := fmt.Sprintf("graph %v (row %d of the input)", r.first.GraphID, r.first.Row)
	if r.graphs > 1 {
		of = fmt.Sprintf("%d graphs, the first of them %s", r.graphs, of)
	}
	return fmt.Sprintf("an older version of graphscore scored %s with integers beyond 2^24 that it had rounded to float32 (%s); "+
		"this version quarantines such graphs as %s: to make the part so, remove it and run again", of, r.first.Message, r.first.Code)
}

// pass passes over the rows of a graph that this version rejects, and counts it. It reports false, with no row read,
// where the next row is not of that graph.
func (c *cursor) pass(of *graph.Rejection) (bool, error) {
	rows := of.Nodes
	switch {
	case c.part.Level() == graph.EdgeLevel:
		rows = of.Edges
	case c.part.Level() == graph.GraphLevel:
		rows = min(of.Nodes, 1)
	}
	id := part.Text(fmt.Sprint(of.GraphID))
	for passed := int64(0); passed < rows; {
		switch err := c.load(); {
		case err == io.EOF && passed == 0:
			return false, nil
		case err == io.EOF:
			return false, wrongf("it ends before the last row of graph %v (row %d of the input)", of.GraphID, of.Row)
		case err != nil:
			return false, err
		}
		if is := c.block.Graphs.Value(c.run); fmt.Sprint(is) != id {
			if passed == 0 {
				return false, nil
			}
			return false, wrongf("row %d is of graph %v, but should be of graph %v (row %d of the input)",
				c.block.First+int64(c.at), is, of.GraphID, of.Row)
		}
		n := min(rows-passed, int64(c.block.Ends[c.run]-c.at))
		passed, c.at, c.rows = passed+n, c.at+int(n), c.rows+n
		if c.at == c.block.Ends[c.run] {
			c.run++
		}
	}
	c.nodes += of.Nodes
	if c.rounded.graphs++; c.rounded.graphs == 1 {
		c.rounded.first = *of
	}
	return true, nil
}
