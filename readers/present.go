package readers

// Present gives the paths under their roots of all files that are there, readable or not.
func (p *Plan) Present() map[string]bool {
	there := make(map[string]bool, len(p.Files))
	for _, f := range p.Files {
		there[f.Rel] = true
	}
	for rel := range p.refused {
		there[rel] = true
	}
	return there
}
