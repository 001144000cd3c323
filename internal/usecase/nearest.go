package usecase

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// shownNearest is how many similar names a message suggests.
const shownNearest = 3

// nearest collects the names that are most similar to one that was not found.
type nearest struct {
	key   string // in lower case
	runes int
	best  []similar // the most similar first
}

type similar struct {
	name     string
	distance int
}

func newNearest(key string) *nearest {
	key = strings.ToLower(key)
	return &nearest{key: key, runes: utf8.RuneCountInString(key)}
}

// limit is the distance from which on a name is no better. A name of which more than
// half differs is not similar.
func (n *nearest) limit() int {
	if len(n.best) == shownNearest {
		return n.best[shownNearest-1].distance
	}
	return n.runes/2 + 1
}

// offer compares a name. Names of very different lengths cost next to nothing.
func (n *nearest) offer(name string) {
	length, limit := utf8.RuneCountInString(name), n.limit()
	if name == "" || max(length-n.runes, n.runes-length) >= limit {
		return
	}
	d := levenshtein.ComputeDistance(n.key, strings.ToLower(name))
	if d >= limit || slices.ContainsFunc(n.best, func(s similar) bool { return s.name == name }) {
		return
	}
	at := slices.IndexFunc(n.best, func(s similar) bool { return s.distance > d })
	if at < 0 {
		at = len(n.best)
	}
	n.best = slices.Insert(n.best, at, similar{name, d})
	n.best = n.best[:min(len(n.best), shownNearest)]
}

func (n *nearest) names() (names []string) {
	for _, s := range n.best {
		names = append(names, s.name)
	}
	return names
}
