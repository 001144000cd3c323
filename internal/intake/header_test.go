package intake

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMapping(t *testing.T) {
	t.Parallel()
	text := "Asset ID;display_name;New, name;locale_id\n" + id1 + ";old;new;\n"
	mapping, err := ParseMap(`asset_id=asset id, displayName="New, name", alt_text=Asset ID`)
	require.NoError(t, err)
	csv, err := NewCSV(strings.NewReader(text), CSVParams{Map: mapping})
	require.NoError(t, err)
	rows, err := collect(csv)
	require.NoError(t, err)
	require.Empty(t, rows[0].Problems)
	require.Equal(t, "new", *rows[0].DisplayName)
	require.Equal(t, id1, *rows[0].AltText)
	require.Equal(t, Info{
		Encoding: encodingUTF8, Separator: ";", Header: []string{"Asset ID", "display_name", "New, name", "locale_id"},
		Columns: []string{"asset_id", "display_name", "locale_id", "alt_text"}, Ignored: []string{"display_name"},
	}, csv.Info())
	require.True(t, csv.Reads("locale_id"))
	require.False(t, csv.Reads("locale"))
}

// Headers as a person types them are those of the documents.
func TestHeaderSpelling(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"Asset ID,Display Name", "asset-id,display-name", "assetId,DISPLAY_NAME", " Asset - Id ,Display name"} {
		csv, err := NewCSV(strings.NewReader(head+"\n"+id1+",new\n"), CSVParams{})
		require.NoError(t, err, head)
		require.Equal(t, []string{"asset_id", "display_name"}, csv.Info().Columns)
	}
	both := "asset_id,Asset ID,display_name\nx," + id1 + ",new\n"
	_, err := NewCSV(strings.NewReader(both), CSVParams{})
	require.ErrorContains(t, err, "columns 1 and 2 have the same name")
	csv, err := NewCSV(strings.NewReader(both), CSVParams{Map: map[string]string{"asset_id": "Asset ID"}})
	require.NoError(t, err)
	require.Equal(t, []string{"asset_id"}, csv.Info().Ignored)
}

func TestMappingErrors(t *testing.T) {
	t.Parallel()
	_, err := NewCSV(strings.NewReader(head), CSVParams{Name: "f.csv", Map: map[string]string{"asset_id": "Asset ID"}})
	require.EqualError(t, err, `f.csv: the mapping reads asset_id from a column "Asset ID", which the header does not have: it is "asset_id", "display_name"`)
	_, err = NewCSV(strings.NewReader(head), CSVParams{Map: map[string]string{"id": "asset_id"}})
	require.ErrorContains(t, err, `the mapping names the column "id", which relabel does not read: use one of asset_id, display_name`)
}

func TestParseMap(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"asset_id=Asset ID,display_name=New name": {"asset_id": "Asset ID", "display_name": "New name"},
		" assetId = ID , DISPLAY_NAME = Name ":    {"asset_id": "ID", "display_name": "Name"},
		`asset_id="a,b"`:                          {"asset_id": "a,b"},
		`asset_id="a ""b"" c",alt_text=x`:         {"asset_id": `a "b" c`, "alt_text": "x"},
		"asset_id=a=b":                            {"asset_id": "a=b"},
		`asset_id="a=b"`:                          {"asset_id": "a=b"},
		"locale=Größe 😀":                          {"locale": "Größe 😀"},
	} {
		got, err := ParseMap(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":                        `"" in the mapping has no equals sign: write column=header, such as asset_id=Asset ID`,
		"asset_id":                `"asset_id" in the mapping has no equals sign`,
		"asset_id=a,":             `"" in the mapping has no equals sign`,
		"asset_id=Name, new":      `" new" in the mapping has no equals sign`,
		"asset_id=a,id=b":         `the mapping names the column "id", which relabel does not read: use one of asset_id, display_name, locale_id, locale, alt_text, expected_name, current_name, original_file_name, hosted_url, folder`,
		"asset_id=a,assetId=b":    "the mapping names asset_id twice: keep one",
		"asset_id=":               "mapping of asset_id: no header after the equals sign",
		"asset_id=,alt_text=b":    "mapping of asset_id: no header after the equals sign",
		`asset_id=""`:             "mapping of asset_id: no header after the equals sign",
		`asset_id="a`:             "mapping of asset_id: the header's double quote is never closed",
		`asset_id="a"b`:           `mapping of asset_id: "b" follows the closing quote`,
		`asset_id=a"b`:            "mapping of asset_id: a quote inside an unquoted header",
		"asset_id=a,\x00nonsense": `"\u0000nonsense" in the mapping`,
	} {
		_, err := ParseMap(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestLongHeaderIsCut(t *testing.T) {
	t.Parallel()
	names := []string{"asset_id"}
	for i := range 99 {
		names = append(names, strings.Repeat("c", i+1))
	}
	_, err := NewCSV(strings.NewReader(strings.Join(names, ",")+"\n"), CSVParams{})
	require.ErrorContains(t, err, "and 80 more")
}

// The first line of a file without our columns may be anything, such as a secret.
func TestUnknownHeaderIsNotQuoted(t *testing.T) {
	t.Parallel()
	mapped := map[string]string{"asset_id": "id"}
	for _, c := range []struct {
		text    string
		mapping map[string]string
	}{
		{"root:geheim:1\n", nil}, {"geheim,geheim\n", nil}, {"geheim,,\n", nil}, {"geheim\nx\n", mapped}, {"-----BEGIN geheim-----\n", nil},
	} {
		_, err := NewCSV(strings.NewReader(c.text), CSVParams{Map: c.mapping})
		require.ErrorContains(t, err, "has none of relabel's columns", c.text)
		require.NotContains(t, err.Error(), "geheim")
	}
}

func TestLocales(t *testing.T) {
	t.Parallel()
	resolver := func(cell string) (string, error) {
		switch cell {
		case "fr-FR", id1:
			return id1, nil
		case "en":
			return "", nil
		}
		return "", errors.New("unknown locale: the site has en, fr-FR")
	}
	for name, tc := range map[string]struct {
		cells, id, problem string
		resolver           LocaleResolver
	}{
		"tag":             {" fr-FR ,", id1, "", resolver},
		"primary":         {"en,", "", "", resolver},
		"blank":           {",", "", "", resolver},
		"unknown":         {"xx,", "xx", "2 locale: unknown locale: the site has en, fr-FR", resolver},
		"id as a tag":     {id1 + ",", id1, "", nil},
		"upper case id":   {"," + strings.ToUpper(id1), id1, "", nil},
		"both, the same":  {"fr-FR," + id1, id1, "", resolver},
		"both, not":       {"en," + id1, id1, "2 locale: locale_id says " + id1 + ", locale says another one: leave one of them blank", resolver},
		"id unknown":      {"," + id2, id2, "2 locale_id: unknown locale: the site has en, fr-FR", resolver},
		"tag in id":       {",fr-FR", "fr-FR", "2 locale_id: a locale id has 24 hexadecimal digits: put tags", resolver},
		"both, no lookup": {id2 + "," + id1, id1, "2 locale: locale_id says", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "asset_id,display_name,locale,locale_id\n" + id2 + ",a," + tc.cells + "\n"
			csv, err := NewCSV(strings.NewReader(text), CSVParams{})
			require.NoError(t, err)
			require.True(t, csv.Reads("locale"))
			csv.UseLocales(tc.resolver)
			rows, err := collect(csv)
			require.NoError(t, err)
			require.Equal(t, tc.id, rows[0].LocaleID)
			require.Equal(t, tc.problem != "", rows[0].Refused())
			require.Contains(t, strings.Join(told(rows[0].Problems), " and "), tc.problem)
		})
	}
}
