package web

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"strings"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/rule"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// rulePath plans the renames of a rule that was typed on the page of assets.
const rulePath = assetsPath + "/rule"

// ruleForm is a rule as a person types it. The assets are those selected, or all that
// match the filter.
type ruleForm struct {
	Find, Replace, Template, AltTemplate string
	ChangeExtension                      bool
	Saved                                string // the name of a saved rule, which replaces the fields above
	selected                             []string
}

func ruleFormOf(q url.Values) ruleForm {
	return ruleForm{
		Find: q.Get("find"), Replace: q.Get("replace"), Template: q.Get("template"), AltTemplate: q.Get("alt-template"),
		ChangeExtension: q.Get("change-extension") != "", Saved: q.Get("saved"), selected: q["select"],
	}
}

// Set reports whether the form has a rule.
func (f ruleForm) Set() bool { return f.Find+f.Template+f.AltTemplate+f.Saved != "" }

// name is the batch's name.
func (f ruleForm) name() string {
	if f.Saved != "" {
		return "rule " + f.Saved
	}
	var parts []string
	if f.Find != "" {
		parts = append(parts, f.Find+" → "+f.Replace)
	}
	for _, t := range []string{f.Template, f.AltTemplate} {
		if t != "" {
			parts = append(parts, t)
		}
	}
	return text.Cut("rule "+strings.Join(parts, ", "), 100)
}

func (f ruleForm) rule() rule.Rule {
	r := rule.Rule{Change: rule.Change{
		Template: f.Template, AltTemplate: f.AltTemplate, ChangeExtension: f.ChangeExtension,
	}}
	if f.Find != "" {
		r.Replacements = []rule.Replacement{{Find: f.Find, With: f.Replace}}
	}
	return r
}

// rulePreview is what a rule would do.
type rulePreview struct {
	Form    ruleForm
	Problem string // what is wrong with the rule
	Looks   []string
	Result  rule.Result
	Shown   []rule.Rename // the first ones
}

// preview works a rule out. Its mistakes are part of the result.
func (s *Server) preview(ctx context.Context, filter records.AssetFilter, f ruleForm) (*rulePreview, error) {
	out := &rulePreview{Form: f}
	chosen, err := s.chosenRule(ctx, filter.SiteID, f)
	if f.Saved != "" && err != nil && !pg.Transient(err) { // it is gone, or of another version
		out.Problem = err.Error()
		return out, nil
	}
	if err == nil {
		err = chosen.Check() // before the assets are read
	}
	if err == nil {
		out.Result, err = s.applyRule(ctx, filter, chosen, f.selected)
	}
	if wrong := (*rule.Error)(nil); errors.As(err, &wrong) {
		out.Problem = ruleProblem(wrong)
		return out, nil
	}
	out.Shown = out.Result.Renames[:min(len(out.Result.Renames), onPage)]
	out.Looks = usecase.RuleWarnings(out.Result)
	return out, err
}

// errOfLocale is about a rule for texts that the page does not show.
var errOfLocale = errors.New("this rule is for a secondary locale: relabel rename --rule plans it")

// chosenRule is the saved rule of the form, or the one that was typed.
func (s *Server) chosenRule(ctx context.Context, siteID int, f ruleForm) (rule.Rule, error) {
	if f.Saved == "" {
		return f.rule(), nil
	}
	r, err := s.use.SavedRule(ctx, db.Site{ID: siteID}, f.Saved)
	if err == nil && r.Locale != "" {
		err = errOfLocale
	}
	return r, err
}

// ruleProblem names the field by its label.
func ruleProblem(e *rule.Error) string {
	labels := map[string]string{"find": "Find", "replace": "Replace with", "template": "New name", "alt-template": "New alt text"}
	label := labels[e.Setting]
	if label == "" {
		return e.Error()
	}
	return label + strings.TrimPrefix(e.Error(), e.Setting)
}

// applyRule works a rule out for the chosen assets, among all assets of the site.
func (s *Server) applyRule(ctx context.Context, filter records.AssetFilter, r rule.Rule, selected []string) (rule.Result, error) {
	chosen := map[string]bool{}
	for _, id := range selected {
		chosen[id] = true
	}
	all := len(chosen) == 0 && filter == records.AssetFilter{SiteID: filter.SiteID}
	if len(chosen) == 0 && !all {
		for a, err := range records.EachAsset(ctx, s.cfg.DB, filter) {
			if err != nil {
				return rule.Result{}, err
			}
			chosen[a.AssetID] = true
		}
	}
	return r.ApplyTo(s.ruleAssets(ctx, filter.SiteID, func(id string) bool { return all || chosen[id] }))
}

// ruleAssets are all assets of the site: the rule has to know the names of the others too.
func (s *Server) ruleAssets(ctx context.Context, siteID int, chosen func(id string) bool) iter.Seq2[rule.Asset, error] {
	return func(yield func(rule.Asset, error) bool) {
		for a, err := range records.EachAsset(ctx, s.cfg.DB, records.AssetFilter{SiteID: siteID}) {
			one := rule.Asset{
				ID: a.AssetID, Name: a.DisplayName, Alt: a.AltText, Original: a.OriginalFileName, Folder: a.Folder, Type: a.ContentType, Size: a.Size, Other: !chosen(a.AssetID),
			}
			if a.CreatedOn != nil {
				one.Created = *a.CreatedOn
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}
