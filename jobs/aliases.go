package jobs

import "github.com/goccy/go-yaml/ast"

// expanded counts the values of a file as its aliases and merge keys repeat them, up to a little above maxExpanded: a few
// lines may repeat more than any memory holds.
func expanded(file *ast.File) int {
	sum := 0
	for _, doc := range file.Docs {
		if doc.Body != nil {
			sum += anchors{}.count(doc.Body)
		}
	}
	return sum
}

// anchors are the values of each anchor so far, by its name.
type anchors map[string]int

func (a anchors) count(node ast.Node) int {
	sum := 1
	add := func(nodes ...ast.Node) {
		for _, n := range nodes {
			if n != nil && sum <= maxExpanded {
				sum += a.count(n)
			}
		}
	}
	switch n := node.(type) {
	case *ast.AnchorNode:
		add(n.Value)
		a[text(n.Name)] = sum
	case *ast.AliasNode:
		sum += a[text(n.Value)]
	case *ast.TagNode:
		add(n.Value)
	case *ast.MappingNode:
		for _, pair := range n.Values {
			add(pair)
		}
	case *ast.MappingValueNode:
		add(n.Value)
	case *ast.SequenceNode:
		add(n.Values...)
	}
	return sum
}
