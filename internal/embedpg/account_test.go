//go:build unix

package embedpg

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stranger is an ordinary user whom the system knows no account of. The tests that need one need root.
const stranger = 54321

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be two users")
	}
}

func TestRootRunsItAsAnotherAccount(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	info, err := os.Stat(s.in.data(s.major))
	require.NoError(t, err)
	uid, _ := ownerOf(info)
	require.NotZero(t, uid)
	require.Equal(t, s.in.account.uid, uid)
	for _, path := range []string{dir, s.in.home(s.major), filepath.Join(dir, "locks"), filepath.Join(dir, "log")} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		uid, _ := ownerOf(info)
		require.Zero(t, uid, "%s stays root's: the account must not be able to put a symlink there", path)
	}
}

// The same, for an ordinary user: what the tests can't show when they run as root themselves.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	needRoot(t)
	nobody, err := unprivileged([]string{"nobody"}, Config{}.logger())
	require.NoError(t, err)
	state, as := homeOf(t, nobody)
	first, second := startHelper(t, state, as), startHelper(t, state, as)
	require.Equal(t, first.line(t, "open"), second.line(t, "open"))
	data := layout(state).data(realBinaries(t).major)
	p, ok := readPidFile(data)
	require.True(t, ok)
	info, err := os.Stat(state)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	first.kill(t)
	require.True(t, alive(p.pid))
	second.close(t)
	eventually(t, "it is stopped", func() bool { _, ok := readPidFile(data); return !ok })

	_, err = Open(t.Context(), fastConfig(state))
	require.ErrorContains(t, err, "belongs to nobody", "root keeps out of a user's state folder")
}

// homeOf is a state folder in a closed home of an account, and a way to run helpers as that account.
func homeOf(t *testing.T, a account) (state string, as func(*exec.Cmd)) {
	t.Helper()
	dir := openDir(t)
	home := filepath.Join(dir, "home")
	require.NoError(t, os.Mkdir(home, 0o700))
	require.NoError(t, os.Chown(home, a.uid, a.gid))
	exe := copyOfTestBinary(t, dir)
	return filepath.Join(home, "state"), func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args, cmd.Dir = exe, []string{exe}, "/"
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}

// PostgreSQL wants its user to have a name, which one of docker run --user doesn't have.
func TestUserWithoutName(t *testing.T) {
	t.Parallel()
	needRoot(t)
	state, as := homeOf(t, account{uid: stranger, gid: stranger})
	require.Contains(t, startHelper(t, state, as).line(t, "error"), "/etc/passwd")
}

// copyOfTestBinary is one that every user may run: go test keeps the original in a folder of its own. cp makes it: a file
// that this process writes stays busy in processes that other tests start meanwhile, and a busy file can't be run.
func copyOfTestBinary(t *testing.T, dir string) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	made := filepath.Join(dir, "embedpg.test")
	out, err := exec.Command("cp", exe, made).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, os.Chmod(made, 0o755))
	return made
}

func TestDataFolderKeepsItsAccount(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := openDir(t)
	require.NoError(t, os.Chown(dir, stranger, stranger))
	a, err := chooseAccount(dir, Config{}.logger())
	require.NoError(t, err)
	require.Equal(t, account{name: "uid 54321", uid: stranger, gid: stranger, switched: true}, a)
	require.NoError(t, os.Chown(dir, 0, 0))
	_, err = chooseAccount(dir, Config{}.logger())
	require.ErrorContains(t, err, "belongs to root")
}

func TestUnprivileged(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	a, err := unprivileged([]string{"no-such-account", "root", "nobody"}, log)
	require.NoError(t, err)
	require.Equal(t, "nobody", a.name)
	require.Contains(t, said.String(), "nobody")
	_, err = unprivileged([]string{"no-such-account"}, log)
	require.ErrorContains(t, err, "useradd")
}

func TestStateFolderOutOfReach(t *testing.T) {
	t.Parallel()
	needRoot(t)
	closed := filepath.Join(openDir(t), "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	_, err := Open(t.Context(), fastConfig(filepath.Join(closed, "deep", "state")))
	require.ErrorContains(t, err, "can't enter "+closed)
	require.ErrorContains(t, err, "RELABEL_STATE_DIR")
}

func TestStateFolderOfOthers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(openDir(t), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(t.Context(), fastConfig(file))
	require.ErrorContains(t, err, "is not a folder")
	_, err = Open(t.Context(), fastConfig(filepath.Join(file, "state")))
	require.ErrorContains(t, err, "RELABEL_STATE_DIR")

	dir := openDir(t)
	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = Open(t.Context(), fastConfig(dir))
	require.ErrorContains(t, err, "chmod go-w")
}

func TestSocketFolderOfOthers(t *testing.T) {
	t.Parallel()
	a := account{name: "me", uid: os.Geteuid(), gid: os.Getegid()}
	dir := openDir(t)
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(dir, link))
	require.ErrorContains(t, makeSocketDir(link, a), "is not a folder of account me")

	wide := filepath.Join(dir, "wide")
	require.NoError(t, os.Mkdir(wide, 0o700))
	require.NoError(t, os.Chmod(wide, 0o777))
	require.NoError(t, makeSocketDir(wide, a))
	info, err := os.Stat(wide)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "ours, and made ours alone again")

	if os.Geteuid() == 0 { // only root can give a folder away
		require.NoError(t, os.Chown(wide, stranger, stranger))
		require.ErrorContains(t, makeSocketDir(wide, a), "it belongs to uid 54321")
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	other := account{name: "other", uid: stranger, gid: stranger, switched: true}
	for mode, ok := range map[os.FileMode]bool{0o755: true, 0o711: true, 0o750: false, 0o700: false} {
		require.NoError(t, os.Chmod(dir, mode))
		require.Equal(t, ok, other.checkReach(dir) == nil, "%o", mode)
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, account{uid: stranger}.checkReach(dir), "not switched: nothing to check")
	require.Error(t, other.checkReach(filepath.Join(dir, "missing")))
}
