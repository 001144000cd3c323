package people

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// write replaces a file as an editor does, at a time of its own.
func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func bcryptOf(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	return strings.Replace(string(h), "$2a$", "$2y$", 1) // as htpasswd -B writes it
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "# people\n\n"+Line("anna", Change, Hash("correct horse"))+"\r\n"+
		Line("ben@example.com", Look, bcryptOf(t, "battery staple"))+"\ncarla:look:\n")
	f, err := Open(path)
	require.NoError(t, err)
	require.True(t, f.AnyPassword())
	for _, c := range []struct {
		name, password string
		role           Role // empty: refused
	}{
		{"anna", "correct horse", Change},
		{"anna", "battery staple", ""},
		{"anna", "", ""},
		{"Anna", "correct horse", ""},
		{"ben@example.com", "battery staple", Look},
		{"ben@example.com", "correct horse", ""},
		{"carla", "", ""},
		{"nobody", "correct horse", ""},
		{"nobody", "nobody has this password", ""},
		{"", "", ""},
	} {
		p, ok := f.Check(t.Context(), c.name, c.password)
		require.Equal(t, c.role != "", ok, c)
		if ok {
			require.Equal(t, c.role, p.Role)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	f.slots <- struct{}{}
	f.slots <- struct{}{}
	_, ok := f.Check(ended, "anna", "correct horse")
	require.False(t, ok, "it waits for its turn, as long as somebody waits for the answer")
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	anna, ben := Line("anna", Change, Hash("correct horse")), Line("ben", Look, Hash("battery staple"))
	write(t, path, anna+"\n"+ben+"\n")
	f, err := Open(path)
	require.NoError(t, err)
	before, _ := f.Find("anna")
	refresh := func(always, changed bool, problem string) {
		t.Helper()
		got, err := f.Refresh(always)
		require.Equal(t, changed, got)
		if problem == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, problem)
	}
	refresh(false, false, "")
	refresh(true, false, "")

	write(t, path, strings.Replace(anna, "change", "look", 1)+"\n")
	refresh(false, true, "")
	now, _ := f.Find("anna")
	require.Equal(t, Look, now.Role)
	require.True(t, now.Same(before))
	_, ok := f.Find("ben")
	require.False(t, ok)

	write(t, path, Line("anna", Look, Hash("correct horse"))+"\nben:read:\n")
	refresh(false, false, `line 2: the role "read" is not one of look and change`)
	refresh(false, false, "line 2")
	refresh(true, false, "line 2")
	_, ok = f.Check(t.Context(), "anna", "correct horse")
	require.True(t, ok, "the people stay")
	require.NoError(t, os.Remove(path))
	refresh(false, false, "can't be used")
	write(t, path, "# nobody\n")
	refresh(false, true, "")
	_, ok = f.Find("anna")
	require.False(t, ok, "the last one may be removed too")
	_, err = Open(path)
	require.ErrorContains(t, err, "nobody is in the users' file")
}

func TestProblemsNameTheLine(t *testing.T) {
	t.Parallel()
	good := Hash("correct horse")
	for text, want := range map[string]string{
		"anna":                                "line 1: a line has the form NAME:ROLE:HASH",
		"#\nanna:change:" + good + ":x":       "line 2: a line has the form",
		"anna:admin:" + good:                  `line 1: the role "admin"`,
		":look:" + good:                       "line 1: the name is empty",
		"a,b:look:" + good:                    "line 1: the name has a colon, a comma or a brace",
		" anna:look:" + good:                  "line 1: the name begins or ends with a space",
		"an\u202ena:look:" + good:             "line 1: the name has a control character or an invisible one",
		"an\u00a0na:look:" + good:             "line 1: the name has a control character",
		"an\x00na:look:" + good:               "line 1: the name has a control character",
		"\xff:look:" + good:                   "line 1: the name is not valid UTF-8",
		strings.Repeat("a", 101) + ":look:":   "line 1: the name is longer than 100 characters",
		"anna:look:\n\nAnna:look:":            "line 3: Anna is in the file already, as anna",
		"anna:look:secret":                    "line 1: the hash is neither argon2id",
		"anna:look:" + bcryptOf(t, "x") + "y": "line 1: the hash is neither argon2id",
		"anna:look:" + good + "=":             "line 1: the argon2id hash is damaged",
		"anna:look:" + strings.Replace(good, "v=19", "v=16", 1):         "line 1: the argon2id hash is damaged",
		"anna:look:" + strings.Replace(good, "t=2", "t=0", 1):           "line 1: the argon2id hash is damaged",
		"anna:look:" + strings.Replace(good, "p=1", "p=0", 1):           "line 1: the argon2id hash is damaged",
		"anna:look:" + strings.Replace(good, "t=2", "t=-1", 1):          "line 1: the argon2id hash is damaged",
		"anna:look:" + strings.Replace(good, "p=1", "p=1,x=2", 1):       "line 1: the argon2id hash is damaged",
		"anna:look:$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$a2V5":          "line 1: the argon2id hash is damaged",
		"anna:look:" + strings.Replace(good, "m=19456", "m=4000000", 1): "line 1: the hash takes too long",
		"anna:look:$2a$31$" + strings.Repeat("a", 53):                   "line 1: the hash takes too long: bcrypt's cost is 15 at most, not 31",
	} {
		_, err := parse(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "secret")
	}
}

// Others must not be able to write to the file.
func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "anna:look:\n")
	f, err := Open(path)
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := Open(path)
		require.ErrorContains(t, err, "run `chmod go-w "+path+"`")
		_, err = f.Refresh(true)
		require.ErrorContains(t, err, "other accounts can write")
	}
	require.NoError(t, os.Chmod(path, 0o644))
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o777))
	_, err = Open(path)
	require.ErrorContains(t, err, "all accounts can replace")
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
	_, err = Open(path)
	require.NoError(t, err, "as /tmp")
	write(t, path, strings.Repeat("#\n", maxFile))
	_, err = Open(path)
	require.ErrorContains(t, err, "larger than 1 MB")
}

// An unknown name takes the time of a known one: its password is compared with somebody's
// hash, always the same one's.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, Line("anna", Look, Hash("correct horse"))+"\ncarla:look:\n"+Line("ben", Look, bcryptOf(t, "battery staple"))+"\n")
	f, err := Open(path)
	require.NoError(t, err)
	seen := map[string]bool{}
	for i := range 100 {
		name := time.Duration(i).String()
		p, known := f.compared(name)
		require.False(t, known)
		again, _ := f.compared(name)
		require.Equal(t, p, again)
		require.NotEqual(t, "carla", p.Name)
		seen[p.Name] = true
	}
	require.Len(t, seen, 2)
	p, known := f.compared("carla")
	require.False(t, known, "she has no password")
	require.NotEmpty(t, p.hash)
	p, known = f.compared("ben")
	require.True(t, known)
	require.Equal(t, "ben", p.Name)
	write(t, path, "carla:look:\n")
	_, err = f.Refresh(true)
	require.NoError(t, err)
	p, known = f.compared("carla")
	require.False(t, known)
	require.NotEmpty(t, p.hash)
	require.False(t, f.AnyPassword())
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, CheckPassword("1234567"), "shorter than 8")
	require.ErrorContains(t, CheckPassword(strings.Repeat("x", 1001)), "longer than 1,000")
	require.NoError(t, CheckPassword("ñññññññü"))
	one := Hash("correct horse")
	require.NotEqual(t, one, Hash("correct horse"), "salted")
}
