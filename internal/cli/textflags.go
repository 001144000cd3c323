package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relabel/internal/intake"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// textFlags say how a source is read. Loads and schedules have them.
type textFlags struct {
	sheet       string
	ambiguous   string
	empty       string
	localeNames string
}

func (f *textFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.sheet, "sheet", "", "`NAME` of the sheet of an Excel file to read (default: the first visible one)")
	fs.StringVar(&f.ambiguous, "ambiguous", "", "`CHOICE` for a name that several assets have: all renames all of them, skip keeps such rows as invalid (default: load nothing)")
	fs.StringVar(&f.empty, "empty", intake.EmptyMarker, "a cell of alt_text with this `TEXT` empties the alt text")
	fs.StringVar(&f.localeNames, "names-in-locales", usecase.KeepLocaleNames,
		"what to do with a display_name in a row of a secondary locale, as `WHAT`: keep it with a warning, drop it, or refuse the row")
}

func (*textFlags) complete(cmd *cobra.Command) {
	completeWords(cmd, "ambiguous", []string{usecase.AmbiguousAll, usecase.AmbiguousSkip})
	completeWords(cmd, "names-in-locales", usecase.LocaleNames())
}

func (f *textFlags) check() error {
	if strings.TrimSpace(f.empty) == "" {
		return usageError("--empty takes a text, such as %s: a blank cell always leaves the alt text alone", intake.EmptyMarker)
	}
	if !slices.Contains(usecase.LocaleNames(), f.localeNames) {
		return usageError("--names-in-locales is keep, drop or refuse, not %q", f.localeNames)
	}
	return usecase.CheckAmbiguous(f.ambiguous)
}

// marker is nil for the usual one, also where a schedule's setting is removed.
func (f *textFlags) marker() *string {
	if marker := strings.TrimSpace(f.empty); marker != intake.EmptyMarker {
		return text.NilIfEmpty(marker)
	}
	return nil
}
