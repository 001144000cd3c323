//go:build unix

package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func writeHello(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, "hello")
	return int64(n), err
}

// sharedDir is a folder like /tmp.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tmp")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Chmod(dir, os.ModeSticky|0o777))
	return dir
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode()
}

func TestWriteFileMode(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{"own folder": t.TempDir(), "shared folder": sharedDir(t)} {
		path := filepath.Join(dir, "results.csv")
		_, err := writeFile(path, writeHello)
		require.NoError(t, err, name)
		require.Equal(t, os.FileMode(0o600), mode(t, path), name)
		for _, kept := range []os.FileMode{0o640, 0o666, 0o400} {
			require.NoError(t, os.Chmod(path, kept))
			_, err = writeFile(path, writeHello)
			require.NoError(t, err, name)
			require.Equal(t, kept, mode(t, path), name)
		}
	}
}

func TestWriteFileRefusesLinksInSharedFolders(t *testing.T) {
	t.Parallel()
	own, shared := t.TempDir(), sharedDir(t)
	precious := filepath.Join(own, "precious")
	require.NoError(t, os.WriteFile(precious, []byte("kept"), 0o600))
	link := filepath.Join(shared, "results.csv")
	require.NoError(t, os.Symlink(precious, link))
	_, err := writeFile(link, writeHello)
	require.ErrorContains(t, err, "error writing "+link+": it is a symlink in "+shared)
	text, err := os.ReadFile(precious)
	require.NoError(t, err)
	require.Equal(t, "kept", string(text))
	dangling := filepath.Join(shared, "dangling.csv")
	require.NoError(t, os.Symlink(filepath.Join(own, "new"), dangling))
	_, err = writeFile(dangling, writeHello)
	require.ErrorContains(t, err, "it is a symlink in "+shared)
	require.NoFileExists(t, filepath.Join(own, "new"))
}

func TestWriteFileRefusesFilesOfOthersInSharedFolders(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	own, shared := t.TempDir(), sharedDir(t)
	theirs := filepath.Join(shared, "results.csv")
	require.NoError(t, os.WriteFile(theirs, []byte("kept"), 0o666))
	require.NoError(t, os.Chown(theirs, 54321, 54321))
	link := filepath.Join(own, "link.csv")
	require.NoError(t, os.Symlink(theirs, link))
	for _, path := range []string{theirs, link} {
		_, err := writeFile(path, writeHello)
		require.ErrorContains(t, err, "error writing "+path+": it belongs to another user")
	}
	text, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Equal(t, "kept", string(text))
}

func TestWriteFileLeavesNothingAfterAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := writeFile(filepath.Join(dir, "results.csv"), func(w io.Writer) (int64, error) {
		n, _ := writeHello(w)
		return n, errors.New("broke")
	})
	require.ErrorContains(t, err, "broke")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
