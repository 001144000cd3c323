package usecase

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/rule"
)

var rulePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,29}$`)

// CheckRuleName checks the name of a rule that is to be saved.
func CheckRuleName(name string) error {
	if !rulePattern.MatchString(name) {
		return WrongSetting("save", ": a rule's name is 1 to 30 lower-case letters, digits, - and _, beginning with a letter or digit, not %q", name)
	}
	return nil
}

// SaveRule saves a rule for a site. Without replace it refuses a name that a rule has.
func (s *Service) SaveRule(ctx context.Context, by Actor, site db.Site, name string, r rule.Rule, replace bool) error {
	if err := CheckRuleName(name); err != nil {
		return err
	}
	if err := CheckRule(r); err != nil {
		return err
	}
	definition, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("error writing the rule: %w", err)
	}
	return s.onRule(ctx, by, "save", site, name, func(ctx context.Context) error {
		return s.DB.SaveRule(ctx, site.ID, db.SavedRule{Name: name, Definition: string(definition), SavedBy: by.Name}, replace)
	})
}

// SavedRule reads a rule of a site.
func (s *Service) SavedRule(ctx context.Context, site db.Site, name string) (rule.Rule, error) {
	saved, err := s.DB.RuleByName(ctx, site.ID, name)
	if err != nil {
		return rule.Rule{}, err
	}
	r, err := rule.Parse([]byte(saved.Definition))
	if err != nil {
		return r, fmt.Errorf("rule %s: %w", name, err)
	}
	return r, nil
}

// DeleteRule deletes a rule that no schedule uses.
func (s *Service) DeleteRule(ctx context.Context, by Actor, site db.Site, name string) error {
	return s.onRule(ctx, by, "delete", site, name, func(ctx context.Context) error { return s.DB.DeleteRule(ctx, site.ID, name) })
}

func (s *Service) onRule(ctx context.Context, by Actor, action string, site db.Site, name string, act func(context.Context) error) error {
	e := records.AuditEntry{Action: action, Subject: "rule " + name, Detail: "site " + site.Name}
	return s.Record(ctx, by, e, func(ctx context.Context) (int64, error) { return -1, act(ctx) })
}
