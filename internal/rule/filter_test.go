package rule

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFilters holds docs/rules.md against the filters.
func TestFilters(t *testing.T) {
	t.Parallel()
	const text = "Größe_DER-Bühne"
	for name, want := range map[string]string{
		"lower": "größe_der-bühne", "upper": "GRÖSSE_DER-BÜHNE", "title": "Größe_der-Bühne", "words": "Größe DER Bühne",
		"slug": "grosse-der-buhne", "ascii": "Grosse_DER-Buhne", "trim": text,
	} {
		require.Equal(t, want, filters()[name](text), name)
	}
	require.Len(t, filters(), 7)
	require.Equal(t, "Bei Jing", filters()["ascii"]("北京"))
	require.Equal(t, ".jpg", filters()["slug"](".JPG"))
}

func TestFlags(t *testing.T) {
	t.Parallel()
	r := Rule{
		Match: Match{
			Names: []string{"IMG_*", "a"}, Exclude: []string{"it's"}, Regex: "x", IgnoreCase: true, Folders: []string{"Team/2026"},
			Types: []string{"image/png"}, MissingAlt: true, LargerThan: "2MB", CreatedAfter: "2026-01-31", Locale: "fr-FR",
		},
		Change: Change{
			Replacements: find("a", ""), Template: "{n}", AltTemplate: "é", ChangeExtension: true, SkipTaken: true,
		},
		Sort: SortCreated,
	}
	require.Equal(t, `--match 'IMG_*' --match a --exclude 'it'\''s' --regex x --ignore-case --folder Team/2026 --type image/png --missing-alt `+
		`--larger-than 2MB --created-after 2026-01-31 --locale fr-FR --find a --replace '' --template '{n}' --alt-template 'é' `+
		`--change-extension --skip-taken --sort created`, r.Flags())
}
