package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relabel/db"
	"relabel/internal/rule"
	"relabel/internal/usecase"
)

// ruleFlags are a rule, or the name of one.
type ruleFlags struct {
	rule.Rule

	find, replace []string
	saved         string // --rule
	save          string
	overwrite     bool
}

func (f *ruleFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	f.registerMatch(fs)
	fs.StringArrayVar(&f.find, "find", nil, "a regular expression, `REGEX`, to replace in the name without its extension; may be repeated")
	fs.StringArrayVar(&f.replace, "replace", nil, "the `TEXT` for what --find finds: $1 is its first group (default: nothing)")
	fs.StringVar(&f.Template, "template", "", "the new name, as a `TEXT` with fields: '{stem}-{n:03}{ext}'")
	fs.StringVar(&f.AltTemplate, "alt-template", "", "the new alt text, as a `TEXT` with the same fields")
	fs.BoolVar(&f.ChangeExtension, "change-extension", false, "--find and --template work on the whole name, and may change its extension")
	fs.BoolVar(&f.SkipTaken, "skip-taken", false, "{n} leaves out numbers whose name another asset has already")
	fs.StringVar(&f.Sort, "sort", "", "number by `ORDER`: name or created (default name)")
	fs.StringVar(&f.saved, "rule", "", "the saved rule of this `NAME`")
	fs.StringVar(&f.save, "save", "", "keep the rule under this `NAME`")
	fs.BoolVar(&f.overwrite, "overwrite", false, "with --save: replace the rule of that name")
	completeWords(cmd, "sort", []string{rule.SortName, rule.SortCreated})
}

func (f *ruleFlags) registerMatch(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.Names, "match", nil, "assets whose name matches this `GLOB`, such as 'IMG_*'; may be repeated, one is enough")
	fs.StringArrayVar(&f.Exclude, "exclude", nil, "but not those whose name matches this `GLOB`; may be repeated")
	fs.StringVar(&f.Regex, "regex", "", "assets whose name has this regular expression, `REGEX`, in it")
	fs.BoolVarP(&f.IgnoreCase, "ignore-case", "i", false, "--match, --exclude, --regex and --find take capitals and small letters as the same")
	fs.StringArrayVar(&f.Folders, "folder", nil, "assets in this folder and below it, by its `PATH` such as Team/2026, or its id; may be repeated")
	fs.StringArrayVar(&f.Types, "type", nil, "assets of this `TYPE`, such as 'image/*'; may be repeated")
	fs.BoolVar(&f.MissingAlt, "missing-alt", false, "assets without an alt text")
	fs.StringVar(&f.LargerThan, "larger-than", "", "assets larger than this `SIZE`, such as 2MB")
	fs.StringVar(&f.CreatedAfter, "created-after", "", "assets uploaded after this `DATE`, such as 2026-01-31, at midnight UTC, or 2026-01-31T14:30:00Z")
	fs.StringVar(&f.Locale, "locale", "", "read and change the texts of this `LOCALE`, such as fr-FR (default: the primary one)")
}

// isRuleFlag reports the flags that are a rule.
func isRuleFlag(name string) bool {
	return slices.Contains([]string{
		"match", "exclude", "regex", "ignore-case", "folder", "type", "missing-alt", "larger-than", "created-after", "locale",
		"find", "replace", "template", "alt-template", "change-extension", "skip-taken", "sort",
	}, name)
}

func (f *ruleFlags) check(cmd *cobra.Command) (err error) {
	if f.overwrite && f.save == "" {
		return usageError("--overwrite goes with --save")
	}
	if f.saved != "" {
		cmd.Flags().Visit(func(flag *pflag.Flag) {
			if isRuleFlag(flag.Name) || flag.Name == "save" {
				err = usageError("--rule %s and --%s: give one of them; `relabel rule show %s` prints the rule's flags", f.saved, flag.Name, f.saved)
			}
		})
		return err
	}
	if len(f.replace) > 0 && len(f.replace) != len(f.find) {
		return usageError("each --find goes with one --replace: there are %d and %d", len(f.find), len(f.replace))
	}
	f.Replacements = nil
	for i, find := range f.find {
		one := rule.Replacement{Find: find}
		if len(f.replace) > 0 {
			one.With = f.replace[i]
		}
		f.Replacements = append(f.Replacements, one)
	}
	if f.save != "" {
		if err := usecase.CheckRuleName(f.save); err != nil {
			return err
		}
	}
	return usecase.CheckRule(f.Rule)
}

// read is the rule of the flags, or the saved one.
func (f *ruleFlags) read(ctx context.Context, use *usecase.Service, site db.Site) (rule.Rule, error) {
	if f.saved == "" {
		return f.Rule, nil
	}
	return use.SavedRule(ctx, site, f.saved)
}

// maySave refuses a name that a rule has, before the site is read.
func (f *ruleFlags) maySave(ctx context.Context, s *session, site db.Site) error {
	if f.save == "" || f.overwrite {
		return nil
	}
	_, err := s.RuleByName(ctx, site.ID, f.save)
	switch {
	case errors.Is(err, db.ErrNoRule):
		return nil
	case err == nil:
		return fmt.Errorf("%w: %s", db.ErrRuleExists, f.save)
	}
	return err
}

// name is that of the rule; empty: it is not saved.
func (f *ruleFlags) name() string {
	if f.saved != "" {
		return f.saved
	}
	return f.save
}
