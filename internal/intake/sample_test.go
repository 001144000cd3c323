package intake

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A header that lacks columns gives a sample, even if the file was cut off in a row.
func TestReadSample(t *testing.T) {
	t.Parallel()
	s := ReadSample(strings.NewReader("Asset No. ID;\"New, name\";Alt text\r\n1;\"a\nb\";x\r\n2;c;y\r\n3;d"), 2)
	require.Equal(t, []string{"Asset No. ID", "New, name", "Alt text"}, s.Header)
	require.Equal(t, [][]string{{"1", `a\u000ab`, "x"}, {"2", "c", "y"}}, s.Rows)
	require.Equal(t, map[string]string{"alt_text": "Alt text"}, s.Guesses)
	require.Len(t, ReadSample(strings.NewReader("Ref,x\n1,2\n3,\"open"), 5).Rows, 1)

	for _, csv := range []string{"", "asset_id,display_name\n1,2\n", "a,,c\n", "a,A\n", "65a1f2c3d4e5f60718293a4b,name.jpg\n"} {
		require.Nil(t, ReadSample(strings.NewReader(csv), 5), csv)
	}
}

func TestFormatMap(t *testing.T) {
	t.Parallel()
	mapping := map[string]string{"asset_id": `Ref "1"`, "display_name": "New, name", "alt_text": "a=b"}
	parsed, err := ParseMap(FormatMap(mapping))
	require.NoError(t, err)
	require.Equal(t, mapping, parsed)
	require.Empty(t, FormatMap(map[string]string{"asset_id": ""}))
}
