package xlsx

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// An empty text is 5 bytes in a workbook, and nearly none when that is packed. So what each
// takes in memory decides how much a small file may take.
func TestNumberOfTextsIsBounded(t *testing.T) {
	t.Parallel()
	const sheet = 16 * 1_048_576 // 16 columns of a sheet's rows
	var texts texts
	for range sheet {
		if err := texts.add(""); err != nil {
			t.Fatal(texts.count, err)
		}
	}
	memory := 0
	for _, chunk := range texts.ends {
		memory += binary.Size(chunk[:cap(chunk)])
	}
	require.LessOrEqual(t, memory, 64<<20)
	require.ErrorContains(t, texts.add(""), `it holds more than 16,777,216 different texts: save the sheet as "CSV UTF-8"`)
}
