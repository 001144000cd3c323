package cli

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every image that is downloaded is pinned by its digest, and the builder has the Go version that go.mod asks for: the
// image may fetch no other.
func TestImagesArePinned(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z]+:[0-9.]+(-alpine)?@sha256:[0-9a-f]{64}$`)
	for file, reference := range map[string]*regexp.Regexp{
		"Dockerfile":            regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?([^ \n]+:\S+)`),
		"docs/ops/compose.yaml": regexp.MustCompile(`(?m)^\s+image: ([^ \n$]+)$`),
	} {
		text, err := os.ReadFile("../../" + file)
		require.NoError(t, err)
		images := reference.FindAllStringSubmatch(string(text), -1)
		require.Len(t, images, 1, file)
		require.Regexp(t, pinned, images[0][1], file)
	}
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	dockerfile, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	wanted := regexp.MustCompile(`(?m)^go ([0-9.]+)$`).FindSubmatch(mod)
	require.Contains(t, string(dockerfile), "golang:"+string(wanted[1])+"-alpine@")
}
