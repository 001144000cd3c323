package usecase

import (
	"context"
	"fmt"
	"iter"

	"relabel/db"
	"relabel/internal/rule"
	"relabel/internal/siteread"
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
	folders, err := s.folderTree(ctx, p.Site.ID)
	if err != nil {
		return nil, err
	}
	r, err := folders.rulePaths(p.Rule)
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

// ruleAssets reads the assets of a reading from the database, each time it is used.
func (s *Service) ruleAssets(ctx context.Context, siteID int, r *Ruled, folders *folderTree) iter.Seq2[rule.Asset, error] {
	return func(yield func(rule.Asset, error) bool) {
		for state, err := range s.DB.States(ctx, siteID, r.LocaleID, r.Reading.Since) {
			if !yield(ruleAsset(state, folders), err) || err != nil {
				return
			}
		}
	}
}

func ruleAsset(s db.AssetState, folders *folderTree) rule.Asset {
	a := rule.Asset{
		ID: s.AssetID, Name: s.DisplayName, Alt: s.AltText, Original: s.OriginalFileName, Folder: folders.path(s.Folder),
		Type: s.ContentType, Size: s.Size,
	}
	if s.CreatedOn != nil {
		a.Created = *s.CreatedOn
	}
	return a
}

// RuleSource is the source of the saved rule with the name of p, worked out for what the
// site holds.
func (s *Service) RuleSource(ctx context.Context, p RuleParams) (_ Source, err error) {
	if p.Rule, err = s.SavedRule(ctx, p.Site, p.Name); err != nil {
		return Source{}, err
	}
	ruled, err := s.ApplyRule(ctx, p)
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
	plan, err := s.comparedPlan(ctx, p.Site, res.BatchID, CompareParams{Loaded: res, Params: p.Reading})
	return Renamed{Ruled: ruled, Plan: &plan}, err
}
