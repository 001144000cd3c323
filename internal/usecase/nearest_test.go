package usecase

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"IMG_0042.jpg", "IMG_0043.jpg", "img_0142.JPG", "hero.jpg", "", "Größe.png", strings.Repeat("x", 4000), "IMG_0042.jpg"}
	for key, want := range map[string][]string{
		"IMG_0042.jpeg": {"IMG_0042.jpg", "IMG_0043.jpg", "img_0142.JPG"},
		"heroe.jpg":     {"hero.jpg"},
		"große.png":     {"Größe.png"},
		"unlike":        nil,
		"":              nil,
	} {
		n := newNearest(key)
		for _, name := range names {
			n.offer(name)
		}
		require.Equal(t, want, n.names(), key)
	}
}
