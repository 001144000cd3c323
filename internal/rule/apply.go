package rule

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"iter"
	"maps"
	"regexp"
	"slices"
	"sort"
	"strings"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Result is a rule worked out for the assets of a site.
type Result struct {
	Assets     int64 // of the site
	Matched    int64 // of these, chosen by Match
	Unchanged  int64 // of these, as the rule wants them already
	Renames    []Rename
	LeftOut    []LeftOut
	Collisions []Collision // by name
}

// Rename is what an asset gets, in the order of its number.
type Rename struct {
	AssetID string
	Old     string  // the name so far
	Name    *string // nil: it stays
	Alt     *string // nil: it stays
}

// LeftOut is an asset that can't be changed.
type LeftOut struct {
	AssetID string `json:"asset_id"`
	Name    string `json:"display_name"`
	Reason  string `json:"reason"`
}

// Collision is a new name that several assets would have.
type Collision struct {
	Name   string `json:"display_name"`
	Assets int64  `json:"assets"`  // that would have it
	Exists bool   `json:"exists"`  // an asset that is not renamed has it already
	Such   string `json:"such_as"` // the id of one of these, or else of a renamed one
}

// Apply works the rule out for all assets of a site.
func (r Rule) Apply(assets []Asset) (Result, error) {
	return r.ApplyTo(func(yield func(Asset, error) bool) {
		for _, a := range assets {
			if !yield(a, nil) {
				return
			}
		}
	})
}

// ApplyTo is Apply for assets that are read one by one. They are read twice, and only
// those that match are kept.
func (r Rule) ApplyTo(assets iter.Seq2[Asset, error]) (Result, error) {
	p, err := r.compile()
	if err != nil {
		return Result{}, err
	}
	w := work{program: p, taken: map[uint64]bool{}, borne: map[string]int32{}}
	chosen, err := w.choose(assets)
	if err != nil {
		return Result{}, err
	}
	p.order(chosen)
	w.rename(chosen)
	return w.Result, w.collide(assets)
}

// work is one application of a rule.
type work struct {
	*program
	Result

	taken map[uint64]bool  // hashes of the names of assets that don't match, for SkipTaken
	borne map[string]int32 // how many assets get a new name
	n     int64
}

func (w *work) choose(assets iter.Seq2[Asset, error]) (chosen []Asset, err error) {
	for a, err := range assets {
		if err != nil {
			return nil, err
		}
		w.Assets++
		switch {
		case w.matcher.matches(&a):
			chosen = append(chosen, w.strip(a))
		case w.SkipTaken:
			w.taken[hash(norm.NFC.String(a.Name))] = true
		}
	}
	w.Matched = int64(len(chosen))
	return chosen, nil
}

func hash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	return h.Sum64()
}

// order sorts the assets as they are numbered. The same assets always have the same order.
func (p *program) order(assets []Asset) {
	if p.Sort == SortCreated {
		slices.SortFunc(assets, func(a, b Asset) int {
			return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
		})
		return
	}
	byKey := keyed{assets: assets, keys: make([][]byte, len(assets))}
	c, buffer := collate.New(language.Und, collate.Numeric), &collate.Buffer{}
	for i := range assets {
		byKey.keys[i] = bytes.Clone(c.KeyFromString(buffer, zeros(assets[i].Name)))
		buffer.Reset()
	}
	sort.Sort(byKey)
}

var digits = regexp.MustCompile(`[0-9]+`)

// zeros makes IMG_0000 sort before IMG_0001: collate takes a number of zeros only for larger
// than any other. ¤ is the last sign before the digits.
func zeros(name string) string {
	if !strings.Contains(name, "0") {
		return name
	}
	return digits.ReplaceAllStringFunc(name, func(n string) string {
		if strings.Trim(n, "0") == "" {
			return "¤"
		}
		return n
	})
}

// keyed sorts assets by keys beside them, without a copy of the assets.
type keyed struct {
	assets []Asset
	keys   [][]byte
}

// Len implements sort.Interface.
func (k keyed) Len() int { return len(k.keys) }

// Swap implements sort.Interface.
func (k keyed) Swap(i, j int) {
	k.assets[i], k.assets[j] = k.assets[j], k.assets[i]
	k.keys[i], k.keys[j] = k.keys[j], k.keys[i]
}

// Less implements sort.Interface.
func (k keyed) Less(i, j int) bool {
	a, b := &k.assets[i], &k.assets[j]
	return cmp.Or(bytes.Compare(k.keys[i], k.keys[j]), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) < 0
}

func (w *work) rename(chosen []Asset) {
	for i := range chosen {
		a := &chosen[i]
		name, alt := w.next(a)
		one := Rename{AssetID: a.ID, Old: a.Name}
		reason := ""
		if name != norm.NFC.String(a.Name) {
			name = cleanName(name)
			if reason = whyNot(name); reason == "" {
				one.Name = &name
			}
		}
		if w.alt != nil && reason == "" && alt != norm.NFC.String(a.Alt) {
			alt = cleanName(alt)
			if reason = whyNoAlt(alt); reason == "" {
				one.Alt = &alt
			}
		}
		w.add(one, reason)
	}
}

func (w *work) add(one Rename, reason string) {
	switch {
	case reason != "":
		w.LeftOut = append(w.LeftOut, LeftOut{one.AssetID, one.Old, reason})
	case one.Name == nil && one.Alt == nil:
		w.Unchanged++
	default:
		w.Renames = append(w.Renames, one)
	}
	if reason == "" && one.Name != nil {
		w.borne[*one.Name]++
	}
}

// next numbers an asset. With SkipTaken it goes on to the next number whose name no
// other asset has.
func (w *work) next(a *Asset) (name, alt string) {
	for tries := 0; ; tries++ {
		w.n++
		name, alt = w.newTexts(a, w.n)
		if !w.SkipTaken || !w.taken[hash(name)] || tries > len(w.taken) {
			return name, alt
		}
	}
}

// collide finds the new names that several assets would have, with those that keep theirs.
func (w *work) collide(assets iter.Seq2[Asset, error]) error {
	kept, err := w.kept(assets)
	if err != nil {
		return err
	}
	found := map[string]*Collision{}
	for i := range w.Renames {
		r := &w.Renames[i]
		if r.Name == nil || found[*r.Name] != nil {
			continue
		}
		c := Collision{Name: *r.Name, Assets: int64(w.borne[*r.Name]), Such: r.AssetID}
		if ids := kept[c.Name]; len(ids) > 0 {
			c.Assets, c.Exists, c.Such = c.Assets+int64(len(ids)), true, ids[0]
		}
		if c.Assets > 1 {
			found[c.Name] = &c
			w.Collisions = append(w.Collisions, c)
		}
	}
	slices.SortFunc(w.Collisions, func(a, b Collision) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// kept lists the assets that keep a name which others get, by name.
func (w *work) kept(assets iter.Seq2[Asset, error]) (map[string][]string, error) {
	have := map[string]string{} // by id: the name now
	for a, err := range assets {
		if err != nil {
			return nil, err
		}
		if name := norm.NFC.String(a.Name); w.borne[name] > 0 {
			have[a.ID] = name
		}
	}
	for _, r := range w.Renames {
		if r.Name != nil {
			delete(have, r.AssetID)
		}
	}
	kept := map[string][]string{}
	for _, id := range slices.Sorted(maps.Keys(have)) {
		kept[have[id]] = append(kept[have[id]], id)
	}
	return kept, nil
}
