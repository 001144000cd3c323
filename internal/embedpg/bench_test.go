//go:build unix

package embedpg

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkFirstStart makes the data folder and starts the server, with fsync, as on a new machine. It is to stay
// below 5 s on two cores.
func BenchmarkFirstStart(b *testing.B) {
	base := openDir(b)
	for b.Loop() {
		b.StopTimer()
		dir := filepath.Join(base, "state")
		require.NoError(b, os.RemoveAll(dir))
		b.StartTimer()
		s := open(b, Config{StateDir: dir})
		b.StopTimer()
		closeServer(b, s)
		b.StartTimer()
	}
}

// BenchmarkLaterStart starts the server on the data there is. It is to stay below 1.5 s on two cores.
func BenchmarkLaterStart(b *testing.B) {
	cfg := Config{StateDir: stateDir(b)}
	closeServer(b, open(b, cfg))
	for b.Loop() {
		s := open(b, cfg)
		b.StopTimer()
		closeServer(b, s)
		b.StartTimer()
	}
}

// BenchmarkJoin joins a running server: what most commands pay.
func BenchmarkJoin(b *testing.B) {
	cfg := Config{StateDir: stateDir(b)}
	open(b, cfg)
	for b.Loop() {
		closeServer(b, open(b, cfg))
	}
}

// BenchmarkStop is what the last command out pays.
func BenchmarkStop(b *testing.B) {
	cfg := Config{StateDir: stateDir(b)}
	for b.Loop() {
		b.StopTimer()
		s := open(b, cfg)
		b.StartTimer()
		closeServer(b, s)
	}
}
