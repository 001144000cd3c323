package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// An error says once that it is one.
func TestErrorLine(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"error writing out.csv: no space": "error: writing out.csv: no space\n",
		"there is no batch 3":             "error: there is no batch 3\n",
	} {
		var out bytes.Buffer
		newApp(Params{Err: &out}).printError(exitError, message)
		require.Equal(t, want, out.String())
	}
}
