//go:build unix

package embedpg

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	cfg := fastConfig(dir)
	bin := realBinaries(t)

	st, err := Inspect(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, Status{StateDir: dir, BinDir: bin.dir, Version: bin.version}, st)
	require.NoDirExists(t, dir, "looking makes nothing")

	s := open(t, cfg)
	st, err = Inspect(t.Context(), cfg)
	require.NoError(t, err)
	require.True(t, alive(st.PID))
	require.Equal(t, Status{
		Running: true, InUse: true, Version: s.version, Major: bin.major, StateDir: dir, DataDir: s.in.data(bin.major),
		SocketDir: dir + "/run", BinDir: bin.dir, LogFile: s.in.layout.log(bin.major), PID: st.PID, Port: socketPort,
	}, st)

	closeServer(t, s)
	st, err = Inspect(t.Context(), cfg)
	require.NoError(t, err)
	require.Equal(t, Status{
		Version: bin.version, Major: bin.major, StateDir: dir, DataDir: s.in.data(bin.major), BinDir: bin.dir,
		LogFile: s.in.layout.log(bin.major),
	}, st)
}

func TestPasswordFileThatDoesNotMatch(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	right, err := os.ReadFile(s.in.password(s.major))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.in.password(s.major), []byte("guess\n"), 0o600))
	_, err = Open(t.Context(), fastConfig(dir))
	require.ErrorContains(t, err, "does not take the password")
	require.NotContains(t, err.Error(), "guess")
	st, err := Inspect(t.Context(), fastConfig(dir))
	require.NoError(t, err)
	require.True(t, st.Running)
	require.Contains(t, st.Problem, "password")
	require.NoError(t, os.WriteFile(s.in.password(s.major), right, 0o600))
}

func TestPsql(t *testing.T) {
	t.Parallel()
	s := open(t, fastConfig(stateDir(t)))
	cmd, err := s.Psql(t.Context(), "--no-psqlrc", "-Atc", "SELECT current_user || ' ' || 41 + 1")
	require.NoError(t, err)
	require.NotContains(t, strings.Join(cmd.Args, " "), password(t, s))
	cmd.Args[len(cmd.Args)-1] = "SELECT current_user || ' ' || (41 + 1)"
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "relabel 42\n", string(out))
}
