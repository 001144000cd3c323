package usecase

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"relabel/db"
	"relabel/internal/rule"
	"relabel/internal/siteread"
	"relabel/internal/text"
)

// RuleParams say which assets of a site to rename, and how.
type RuleParams struct {
	Site    db.Site
	Rule    rule.Rule
	Name    string          // of the saved rule; empty: it is not saved
	Now     bool            // read the site now, even if it was read a moment ago
	Reading siteread.Params // of the site
}

// Ruled is a rule worked out for what a site holds.
type Ruled struct {
	rule.Result
	Rule     rule.Rule
	LocaleID string
	Reading  siteread.Reading

	name string
}

// Source is how messages and the batch call the rule.
func (r *Ruled) Source() string {
	if r.name != "" {
		return "rule " + r.name
	}
	return text.Cut("rename "+r.Rule.Flags(), 200)
}

// Nothing says why a rule without renames has none.
func (r *Ruled) Nothing() string { return r.Source() + ": nothing to rename: " + r.Chosen() }

// Chosen says how many assets the rule chose.
func (r *Ruled) Chosen() string {
	all := text.Plural(r.Assets, "asset", "assets")
	line := fmt.Sprintf("of %s, %s", all, text.Plural(r.Matched, "matches", "match"))
	if r.Matched == 0 {
		return "none of " + all + " matches"
	}
	if r.Unchanged > 0 {
		line += fmt.Sprintf(", and %s so named already", text.Plural(r.Unchanged, "is", "are"))
	}
	return line
}

// UnchangedError is returned when the rule of a source has nothing to rename.
type UnchangedError struct{ Rule *Ruled }

func (e *UnchangedError) Error() string { return e.Rule.Nothing() }

// Warnings are what a person should look at before the renames are sent.
func (r *Ruled) Warnings() (out []string) {
	if n := int64(len(r.Collisions)); n > 0 {
		first := r.Collisions[0]
		out = append(out, fmt.Sprintf("%s would belong to several assets, such as %q to %s; %s", text.Plural(n, "new name", "new names"),
			text.Cut(first.Name, shownName), text.Number(first.Assets), r.collisionAdvice()))
	}
	if n := int64(len(r.LeftOut)); n > 0 {
		out = append(out, fmt.Sprintf("%s left out, such as %q: %s", text.Plural(n, "asset is", "assets are"),
			text.Cut(r.LeftOut[0].Name, shownName), r.LeftOut[0].Reason))
	}
	return out
}

// shownName cuts a name so that a warning fits a line.
const shownName = 40

func (r *Ruled) collisionAdvice() string {
	if strings.Contains(r.Rule.Template, "{n") && !r.Rule.SkipTaken {
		return "--skip-taken leaves out numbers that are taken"
	}
	return "{n} or {id} in the template makes names differ"
}

// ApplyRule reads the site, unless that was done a moment ago, and works the rule out.
// Only the assets that match are held in memory.
func (s *Service) ApplyRule(ctx context.Context, p RuleParams) (*Ruled, error) {
	if err := CheckRule(p.Rule); err != nil { // before the site is read
		return nil, err
	}
	out := &Ruled{Rule: p.Rule, name: p.Name}
	var err error
	if out.LocaleID, err = s.ruleLocale(ctx, p.Site, p.Rule.Locale); err != nil {
		return nil, err
	}
	age := maxAge
	if p.Now {
		age = 0
	}
	if out.Reading, err = s.FreshReading(ctx, p.Site, []string{out.LocaleID}, age, p.Reading); err != nil {
		return nil, err
	}
	folders, err := s.DB.Folders(ctx, p.Site.ID)
	if err != nil {
		return nil, err
	}
	r, err := withPaths(p.Rule, folders)
	if err == nil {
		out.Result, err = r.ApplyTo(s.ruleAssets(ctx, p.Site.ID, out, folders))
	}
	return out, err
}

// CheckRule makes a SettingError of what can't be used, so that every command and page
// names the setting in its own words.
func CheckRule(r rule.Rule) error {
	err := r.Check()
	if e, ok := err.(*rule.Error); ok { //nolint:errorlint // Check returns it as it is
		at := ""
		if e.Position > 0 {
			at = fmt.Sprintf("character %d: ", e.Position)
		}
		return WrongSetting(e.Setting, ": %s%s", at, e.Problem)
	}
	return err
}

func (s *Service) ruleLocale(ctx context.Context, site db.Site, locale string) (id string, err error) {
	if locale == "" {
		return "", nil
	}
	err = s.withReader(ctx, site, func(r *siteread.Reader) error {
		ids, err := localeIDs(ctx, r, []string{locale})
		if err != nil {
			return &ReadError{Err: err}
		}
		id = ids[0]
		return nil
	})
	return id, err
}

// withPaths replaces ids of folders by their paths, and refuses folders that the site does
// not have.
func withPaths(r rule.Rule, folders []db.Folder) (rule.Rule, error) {
	paths := make([]string, len(r.Folders))
	for i, wanted := range r.Folders {
		path := rule.CleanFolder(wanted)
		found := false
		for _, f := range folders {
			if f.ID == wanted {
				path = f.Path
			}
			found = found || rule.CleanFolder(f.Path) == path || f.ID == wanted
		}
		if !found {
			return r, WrongSetting("folder", ": the site has no folder %q%s", wanted, knownFolders(folders))
		}
		paths[i] = path
	}
	r.Folders = paths
	return r, nil
}

// knownFolders names the first folders of a site.
func knownFolders(folders []db.Folder) string {
	const shown = 10
	if len(folders) == 0 {
		return ": it has no folders"
	}
	var names []string
	for _, f := range folders[:min(len(folders), shown)] {
		names = append(names, f.Path)
	}
	list := ": it has " + strings.Join(names, ", ")
	if more := len(folders) - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// ruleAssets reads the assets of a reading from the database, each time it is used.
func (s *Service) ruleAssets(ctx context.Context, siteID int, r *Ruled, folders []db.Folder) iter.Seq2[rule.Asset, error] {
	paths := map[string]string{}
	for _, f := range folders {
		paths[f.ID] = f.Path
	}
	return func(yield func(rule.Asset, error) bool) {
		for state, err := range s.DB.States(ctx, siteID, r.LocaleID, r.Reading.Since) {
			if !yield(ruleAsset(state, paths), err) || err != nil {
				return
			}
		}
	}
}

func ruleAsset(s db.AssetState, paths map[string]string) rule.Asset {
	a := rule.Asset{
		ID: s.AssetID, Name: s.DisplayName, Alt: s.AltText, Original: s.OriginalFileName, Folder: paths[s.Folder],
		Type: s.ContentType, Size: s.Size,
	}
	if s.CreatedOn != nil {
		a.Created = *s.CreatedOn
	}
	return a
}

// RuleSource is the source of a saved rule, worked out for what the site holds now.
func (s *Service) RuleSource(ctx context.Context, site db.Site, name string) (Source, error) {
	r, err := s.SavedRule(ctx, site, name)
	if err != nil {
		return Source{}, err
	}
	ruled, err := s.ApplyRule(ctx, RuleParams{Site: site, Rule: r, Name: name, Now: true})
	if err != nil {
		return Source{}, err
	}
	if len(ruled.Renames) == 0 {
		return Source{}, &UnchangedError{Rule: ruled}
	}
	return Source{Rule: ruled}, nil
}

// Renamed is the plan that a rule made.
type Renamed struct {
	*Ruled
	Plan *Summary // nil: there is nothing to rename
}

// Rename works a rule out, and stores its renames as a plan. It compares the plan with the
// very reading that the rule was worked out for, so that the site is read once. load may
// say the batch's name and priority, and what is called meanwhile.
func (s *Service) Rename(ctx context.Context, by Actor, p RuleParams, load LoadParams) (Renamed, error) {
	if _, err := s.Site(p.Site); err != nil {
		return Renamed{}, err
	}
	ruled, err := s.ApplyRule(ctx, p)
	if err != nil || len(ruled.Renames) == 0 {
		return Renamed{Ruled: ruled}, err
	}
	load.Site, load.Source, load.Planned = p.Site, Source{Rule: ruled}, true
	res, err := s.Load(ctx, by, load)
	if err != nil {
		return Renamed{Ruled: ruled}, err
	}
	plan, err := s.comparedPlan(ctx, p.Site, res.BatchID, CompareParams{Loaded: res})
	return Renamed{Ruled: ruled, Plan: &plan}, err
}
