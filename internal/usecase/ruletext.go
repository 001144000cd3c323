package usecase

import (
	"fmt"

	"relabel/internal/rule"
	"relabel/internal/text"
)

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

// RuleWarnings are what a person should look at before the renames of a rule are sent. The
// first is of collisions, if there are any.
func RuleWarnings(r rule.Result) (out []string) {
	if n := int64(len(r.Collisions)); n > 0 {
		first := r.Collisions[0]
		out = append(out, fmt.Sprintf("%s would belong to several assets, such as %q to %s", text.Plural(n, "new name", "new names"),
			text.Cut(first.Name, shownName), text.Number(first.Assets)))
	}
	if n := int64(len(r.LeftOut)); n > 0 {
		out = append(out, fmt.Sprintf("%s left out, such as %q: %s", text.Plural(n, "asset is", "assets are"),
			text.Cut(r.LeftOut[0].Name, shownName), r.LeftOut[0].Reason))
	}
	return out
}

// shownName cuts a name so that a warning fits a line.
const shownName = 40
