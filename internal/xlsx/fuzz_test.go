package xlsx

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzSheet: whatever a sheet, its texts and its styles hold, reading ends without a panic, and rows and columns go up.
func FuzzSheet(f *testing.F) {
	for _, rows := range []string{
		`<row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c></row><row/>`,
		`<row><c t="inlineStr"><is><t>a</t><r><t>b</t></r><rPh><t>c</t></rPh></is></c><c t="str"><f>A1</f><v>a&lt;b _x0041_</v></c></row>`,
		`<row><c s="1"><v>46380.5</v></c><c s="2"><v>-1e-9</v></c><c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c><c><f>1</f></c><c s="3"><v>1E15</v></c></row>`,
		`<row><c></row></c>`, `<!-- <row> --><![CDATA[<row>]]>`,
	} {
		f.Add(rows, `<si><t>a</t></si><si><r><t>b</t></r></si>`, "yyyy\\-mm\\-dd hh:mm:ss.000 AM/PM")
		f.Add(rows, `<si/>`, `[<1]# ?/?;[Red]"x"@;_(* #,##0.00_);@`)
	}
	f.Fuzz(func(t *testing.T, rows, shared, format string) {
		escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;").Replace(format)
		p := workbook(rows).with("xl/sharedStrings.xml", "<sst>"+shared+"</sst>").with("xl/styles.xml",
			`<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts><numFmt numFmtId="164" formatCode="`+escaped+
				`"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="14"/><xf numFmtId="41"/></cellXfs></styleSheet>`)
		b, err := openBytes(t, p.zip(t))
		require.NoError(t, err)
		r, err := b.Rows(b.Sheets()[0])
		require.NoError(t, err)
		defer r.Close() //nolint:errcheck // only read from
		last := int64(0)
		for {
			number, cells, err := r.Next()
			if err != nil {
				return
			}
			require.Greater(t, number, last)
			last = number
			column := -1
			for _, c := range cells {
				require.Greater(t, c.Column, column)
				column = c.Column
				if _, err := b.Text(c); err != nil {
					require.ErrorContains(t, err, "the workbook is damaged")
				}
			}
		}
	})
}

// FuzzOpen: whatever the bytes, opening ends without a panic, and an error is one line.
func FuzzOpen(f *testing.F) {
	f.Add(workbook(`<row><c t="s"><v>0</v></c></row>`).zip(f))
	f.Add(parts{"xl/workbook.bin": ""}.zip(f))
	f.Add([]byte(oleMagic + strings.Repeat("\x00", 600)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := read(t, data, ""); err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
	})
}
