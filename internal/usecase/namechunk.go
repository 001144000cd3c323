package usecase

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"relabel/db"
	"relabel/internal/intake"
)

// nameChunk resolves some rows with one statement.
type nameChunk struct {
	*resolver

	rows  []intake.Row
	names []assetName
	keys  map[[2]string]int // index in names, by name and folder
}

// assetName is what one or more rows say of an asset.
type assetName struct {
	name    string
	exact   map[string]bool // ids of the folders that are meant; nil: any
	folders map[string]bool // these and all below
	problem error           // there is no such folder
	found   []db.FoundAsset
}

func newNameChunk(r *resolver, rows []intake.Row) *nameChunk {
	c := &nameChunk{resolver: r, rows: rows, keys: map[[2]string]int{}}
	for i := range rows {
		key := [2]string{rows[i].Name, rows[i].Folder}
		if _, known := c.keys[key]; known || rows[i].Refused() {
			continue
		}
		c.keys[key] = len(c.names)
		c.names = append(c.names, r.assetName(rows[i].Name, rows[i].Folder))
	}
	return c
}

func (r *resolver) assetName(name, folder string) assetName {
	n := assetName{name: name}
	if folder == "" {
		return n
	}
	ids, err := r.folders.find(folder)
	if err != nil {
		n.problem = err
		return n
	}
	n.exact, n.folders = map[string]bool{}, r.folders.Below(ids...)
	for _, id := range ids {
		n.exact[id] = true
	}
	return n
}

// find looks all names up.
func (c *nameChunk) find(ctx context.Context) error {
	p := db.FindAssetsParams{SiteID: c.Site.ID, By: db.NamedBy(c.by), Since: c.reading.Since, Limit: shownSame + 1}
	if c.Ambiguous == AmbiguousAll {
		p.Limit = maxSame + 1
	}
	for i, n := range c.names {
		if n.problem != nil {
			continue
		}
		for _, form := range forms(n.name, p.By) {
			p.Names = append(p.Names, db.AssetName{Key: i, Name: form, Folders: n.folderIDs()})
		}
	}
	found, err := c.service.DB.FindAssets(ctx, p)
	if err != nil {
		return err
	}
	for _, f := range found {
		n := &c.names[f.Key]
		if !slices.ContainsFunc(n.found, func(o db.FoundAsset) bool { return o.AssetID == f.AssetID }) {
			n.found = append(n.found, f)
		}
	}
	for i := range c.names {
		c.names[i].preferExact()
	}
	return nil
}

// forms are the ways to write a name: as it is, without spaces around it, and with
// accents that are characters of their own or not, which depends on who made the file.
func forms(name string, by db.NamedBy) []string {
	trimmed := strings.TrimSpace(name)
	if by == db.ByHostedURL {
		address, _, _ := strings.Cut(trimmed, "#")
		address, _, _ = strings.Cut(address, "?")
		return []string{address}
	}
	all := []string{name, trimmed}
	if len(name) > utf8.RuneCountInString(name) {
		all = append(all, norm.NFC.String(trimmed), norm.NFD.String(trimmed))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (n *assetName) folderIDs() []string {
	if n.folders == nil {
		return nil
	}
	ids := make([]string, 0, len(n.folders))
	for id := range maps.Keys(n.folders) {
		if id == "" {
			id = db.RootFolder
		}
		ids = append(ids, id)
	}
	return ids
}

// preferExact leaves out the assets of folders below, if the folder itself has one.
func (n *assetName) preferExact() {
	inIt := func(f db.FoundAsset) bool { return n.exact[f.Folder] }
	if n.exact != nil && slices.ContainsFunc(n.found, inIt) {
		n.found = slices.DeleteFunc(n.found, func(f db.FoundAsset) bool { return !inIt(f) })
	}
}

// unclear reports whether a name is of no asset, or of more than may be meant.
func (c *nameChunk) unclear() bool {
	return slices.ContainsFunc(c.names, func(n assetName) bool {
		return n.problem != nil || len(n.found) == 0 || len(n.found) > 1 && c.Ambiguous != AmbiguousAll
	})
}

// judge gives each row its asset, or refuses it. A row that means several becomes one row
// for each of them.
func (c *nameChunk) judge(ctx context.Context) (out []intake.Row, err error) {
	similar, err := c.similarTo(ctx)
	if err != nil {
		return nil, err
	}
	for i := range c.rows {
		row := c.rows[i]
		if row.Refused() {
			out = append(out, row)
			continue
		}
		at := c.keys[[2]string{row.Name, row.Folder}]
		switch n := c.names[at]; {
		case n.problem != nil:
			row.RefuseName("folder", n.problem.Error())
		case len(n.found) == 0:
			row.RefuseName(c.by, c.unknown(&row, similar[at]))
		case len(n.found) > 1 && !c.takesAll(n):
			c.refuseSame(&row, n)
		default:
			for _, f := range n.found {
				row.AssetID = f.AssetID
				out = append(out, row)
			}
			continue
		}
		out = append(out, row)
	}
	return out, nil
}

func (c *nameChunk) takesAll(n assetName) bool {
	return c.Ambiguous == AmbiguousAll && len(n.found) <= maxSame
}

func (c *nameChunk) refuseSame(row *intake.Row, n assetName) {
	c.ambiguous++
	row.RefuseName(c.by, c.same(n))
	row.Skipped = c.Ambiguous == AmbiguousSkip
}

// similarTo looks for names like the first ones that no asset has.
func (c *nameChunk) similarTo(ctx context.Context) (map[int][]string, error) {
	var at []int
	var names []string
	for i, n := range c.names {
		if n.problem == nil && len(n.found) == 0 {
			at, names = append(at, i), append(names, strings.TrimSpace(n.name))
		}
	}
	all, err := c.similar(ctx, names)
	out := map[int][]string{}
	for i, n := range all {
		out[at[i]] = n.names()
	}
	return out, err
}
