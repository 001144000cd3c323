package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"
)

// encodeUTF16 encodes with an implementation that is not ours.
func encodeUTF16(t testing.TB, text string, order unicode.Endianness) string {
	t.Helper()
	out, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(text)
	require.NoError(t, err)
	return out
}

func TestUTF16(t *testing.T) {
	t.Parallel()
	text := "asset_id\tdisplay_name\r\n" + id1 + "\tÀ 😀 \"\u202f\r\n" + id2 + "\tb\r\n"
	text = strings.ReplaceAll(text, "À 😀 \"\u202f", `"À 😀 ""\u202f€"`)
	for encoding, order := range map[string]unicode.Endianness{encodingUTF16LE: unicode.LittleEndian, encodingUTF16BE: unicode.BigEndian} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			for _, packed := range []bool{false, true} {
				in := encodeUTF16(t, text, order)
				if packed {
					in = zipped(t, in)
				}
				csv, err := NewCSV(strings.NewReader(in), CSVParams{})
				require.NoError(t, err)
				rows, err := collect(csv)
				require.NoError(t, err)
				require.Equal(t, `À 😀 "\u202f€`, *rows[0].DisplayName)
				require.Equal(t, id2, rows[1].AssetID)
				require.Equal(t, encoding, csv.Info().Encoding)
				require.Equal(t, packed, csv.Info().Gzip)
			}
		})
	}
}

// Half a surrogate pair refuses its row instead of being replaced, and a cut file is noticed.
func TestUTF16Damaged(t *testing.T) {
	t.Parallel()
	whole := encodeUTF16(t, head+id1+",😀x\n"+id2+",b\n", unicode.LittleEndian)
	pair := strings.Index(whole, "\x3d\xd8")
	require.Positive(t, pair)
	for name, in := range map[string]string{
		"high alone": whole[:pair+2] + whole[pair+4:],
		"low alone":  whole[:pair] + whole[pair+2:],
	} {
		rows := mustRead(t, in)
		require.Len(t, rows, 2, name)
		require.Contains(t, told(rows[0].Problems)[0], "2 : byte 26 of line 2 (counted in UTF-8) is not valid UTF-16LE", name)
		require.Empty(t, rows[1].Problems, name)
	}
	rows := mustRead(t, whole[:len(whole)-3])
	require.Contains(t, told(rows[1].Problems)[0], "byte 26 of line 3")
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "",
		"a\nb\x00":              `a\u000ab\u0000`,
		"\u202eabc":             `\u202eabc`,
		"caf\xe9":               "caf\ufffd",
		strings.Repeat("é", 60): strings.Repeat("é", 60),
		strings.Repeat("é", 61): strings.Repeat("é", 60) + "…",
		"\x1b[31mred\x1b[0m":    `\u001b[31mred\u001b[0m`,
		"👩‍👩‍👧 family \ufeff":   "👩‍👩‍👧 family \\ufeff",
	} {
		require.Equal(t, want, Clean(in))
	}
}

func TestStorable(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\ufffdb\ufffd", storable("a\x00b\xff", 10))
	require.Equal(t, "éé", storable("ééé", 5))
	require.Empty(t, storable("\x80\x80\x80", 1))
}
