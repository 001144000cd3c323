package web

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/people"
	"relabel/internal/records"
)

// usersFile is a file of people that a test changes.
type usersFile struct {
	t    testing.TB
	path string
	*people.File
}

const (
	annasPassword = "correct horse"
	bensPassword  = "battery staple"
)

// newUsersFile has anna, who may change things, and ben, who may look.
func newUsersFile(t testing.TB) *usersFile {
	t.Helper()
	f := &usersFile{t: t, path: filepath.Join(t.TempDir(), "users")}
	f.write(people.Line("anna", RoleChange, people.Hash(annasPassword)), people.Line("ben", RoleLook, people.Hash(bensPassword)))
	var err error
	f.File, err = people.Open(f.path)
	require.NoError(t, err)
	return f
}

func (f *usersFile) write(lines ...string) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(f.path+".new", []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	require.NoError(f.t, os.Rename(f.path+".new", f.path))
}

func (f *usersFile) read() []string {
	f.t.Helper()
	text, err := os.ReadFile(f.path)
	require.NoError(f.t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// loginAs tries a name and a password.
func (c *browser) loginAs(name, password string) answer {
	c.t.Helper()
	return c.post("/login", url.Values{"name": {name}, "password": {password}})
}

// auditedAs lists the newest entries of the audit log: the person, the action, its detail
// and its result.
func (b *testBundle) auditedAs(t testing.TB, n int) (list []string) {
	t.Helper()
	entries, err := records.AuditEntries(t.Context(), b.DB, "", 0, n)
	require.NoError(t, err)
	for _, e := range entries {
		result := "nil"
		if e.Result != nil {
			result = *e.Result
		}
		list = append(list, strings.Join([]string{e.Person, e.Action, e.Detail, result}, "|"))
	}
	return list
}

// People log in with names and passwords of their own, beside links.
func TestPeople(t *testing.T) {
	t.Parallel()
	f := newUsersFile(t)
	b := setup(t, settings{config: Config{Users: f.File}})
	anna, ben := b.stranger(t), b.stranger(t)
	form := anna.get("/login").text
	require.Contains(t, form, `name="name"`)
	require.Contains(t, form, "Or open the link")
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", annasPassword).StatusCode)
	require.Equal(t, http.StatusSeeOther, ben.loginAs(" ben ", bensPassword).StatusCode)
	require.Equal(t, []string{"ben|log in|role look, name checked: own password|done", "anna|log in|role change, name checked: own password|done"}, b.auditedAs(t, 2))
	require.Equal(t, http.StatusForbidden, ben.post("/site/default/pause", nil).StatusCode)
	require.Equal(t, http.StatusSeeOther, anna.post("/site/default/pause", nil).StatusCode)
	require.Equal(t, []string{"anna|pause||done", "ben|change|POST /site/default/pause|refused: the login is read-only"}, b.auditedAs(t, 2))
	page := anna.get("/sessions").text
	require.Contains(t, page, `anna <span class="dim">(checked)</span>`)
	require.Contains(t, page, `ben <span class="dim">(checked)</span>`)

	stranger := b.stranger(t)
	for _, c := range [][2]string{{"anna", bensPassword}, {"Anna", annasPassword}, {"carla", annasPassword}, {"", annasPassword}, {"anna", ""}} {
		got := stranger.loginAs(c[0], c[1])
		require.Equal(t, http.StatusForbidden, got.StatusCode, c)
		require.Contains(t, got.text, "The name or the password is wrong.")
	}
	const refused = "refused: The name or the password is wrong."
	require.Equal(t, []string{"|log in|as anna|" + refused, "|log in||" + refused, "|log in||" + refused}, b.auditedAs(t, 3),
		"a name that nobody has may be a password")
	require.Equal(t, http.StatusBadRequest, stranger.loginAs("an\x00na", annasPassword).StatusCode)
	require.Equal(t, http.StatusOK, b.login(t, RoleLook).get("/").StatusCode, "links work, too")
}

// A changed file counts at the next request.
func TestPeopleChange(t *testing.T) {
	t.Parallel()
	f := newUsersFile(t)
	b := setup(t, settings{config: Config{Users: f.File}})
	anna, ben, link := b.stranger(t), b.stranger(t), b.login(t, RoleChange)
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", annasPassword).StatusCode)
	require.Equal(t, http.StatusSeeOther, ben.loginAs("ben", bensPassword).StatusCode)
	lines := f.read()

	f.write(lines[0], strings.Replace(lines[1], ":look:", ":change:", 1))
	require.Equal(t, http.StatusOK, ben.get("/sessions").StatusCode, "a changed role takes effect")
	require.Equal(t, http.StatusOK, anna.get("/sessions").StatusCode)
	f.write(lines[0], lines[1])
	require.Equal(t, http.StatusForbidden, ben.get("/sessions").StatusCode)
	require.Equal(t, http.StatusOK, ben.get("/").StatusCode)

	f.write(lines[0], lines[1], "carla:boss:")
	require.Equal(t, http.StatusOK, ben.get("/").StatusCode, "a file with an error changes nothing")
	require.Equal(t, http.StatusOK, ben.get("/").StatusCode)
	require.Equal(t, 1, strings.Count(b.logs.String(), `line 3: the role`), "it is logged once: %s", b.logs)

	f.write(lines[0])
	require.Equal(t, http.StatusSeeOther, ben.get("/").StatusCode, "who was removed is logged out")
	require.Equal(t, http.StatusForbidden, ben.loginAs("ben", bensPassword).StatusCode)
	f.write(people.Line("anna", RoleChange, people.Hash("another horse")))
	require.Equal(t, http.StatusSeeOther, anna.get("/").StatusCode, "so is who has another password")
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", "another horse").StatusCode)
	require.Equal(t, http.StatusOK, link.get("/").StatusCode, "the session of a link stays")
}

// An open page makes no request: its stream ends all the same.
func TestPeopleAreWatched(t *testing.T) {
	t.Parallel()
	f := newUsersFile(t)
	b := setup(t, settings{config: Config{Users: f.File}})
	anna := b.stranger(t)
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", annasPassword).StatusCode)
	ended := make(chan answer)
	go func() { ended <- anna.get("/live/overview") }()
	require.Eventually(t, func() bool {
		b.server.streams.mu.Lock()
		defer b.server.streams.mu.Unlock()
		return b.server.streams.all == 1
	}, patience, poll)
	f.write("# nobody")
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the stream goes on")
	}
}

// A password for all is there too. A name that goes with it was not checked, and can't
// look like one that was.
func TestPeopleBesidePasswords(t *testing.T) {
	t.Parallel()
	f := newUsersFile(t)
	var password atomic.Value
	password.Store("shared password")
	b := setup(t, settings{config: Config{Users: f.File, Password: "shared password", ReadPasswords: func() (string, string, error) {
		p, _ := password.Load().(string)
		return p, "", nil
	}}})
	anna, shared, unnamed := b.stranger(t), b.stranger(t), b.stranger(t)
	require.NotContains(t, anna.get("/login").text, "Or open the link")
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", annasPassword).StatusCode)
	require.Equal(t, http.StatusSeeOther, shared.loginAs("anna", "shared password").StatusCode)
	require.Equal(t, http.StatusSeeOther, unnamed.loginAs("", "shared password").StatusCode)
	require.Equal(t, []string{"|log in|role change|done", "anna (not checked)|log in|role change|done", "anna|log in|role change, name checked: own password|done"}, b.auditedAs(t, 3))
	password.Store("new password")
	require.NoError(t, b.server.readPasswords())
	require.Equal(t, http.StatusSeeOther, shared.get("/").StatusCode)
	require.Equal(t, http.StatusOK, anna.get("/").StatusCode, "another password does not end a person's session")
	f.write(f.read()[1])
	require.Equal(t, http.StatusSeeOther, anna.get("/").StatusCode)
}

func TestNoLinks(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Users: newUsersFile(t).File, NoLinks: true}})
	c := b.stranger(t)
	require.NotContains(t, c.get("/login").text, "the link")
	got := c.get(b.server.Link(RoleChange))
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Contains(t, got.text, "login links do not work")
	require.Equal(t, http.StatusSeeOther, c.get("/").StatusCode)
}

// Guesses are counted by name and address, and over all names.
func TestGuessesAtNames(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	l := newLoginLimiter(func() time.Time { return now })
	from := func(address string) guesser { return guesser{address: address} }
	for range freeGuesses {
		require.Zero(t, l.beginPerson(from("192.0.2.1"), "anna"))
	}
	require.Equal(t, firstWait, l.beginPerson(from("192.0.2.1"), "anna"))
	require.Zero(t, l.beginPerson(from("192.0.2.2"), "anna"), "another address")
	require.Zero(t, l.beginPerson(from("192.0.2.1"), "ben"), "another name")
	l.succeedPerson(from("192.0.2.1"), "ben")
	require.Equal(t, firstWait, l.beginPerson(from("192.0.2.1"), "anna"), "who knows one password may not guess on at another")
	known := guesser{address: "192.0.2.1", device: device{role: personRole("anna"), id: "x"}}
	require.Zero(t, l.beginPerson(known, "anna"), "a browser that anna has used before")
	require.Positive(t, l.beginPerson(from("192.0.2.1"), "anna"))

	spray := 0
	for i := range 100 {
		if l.beginPerson(from("192.0.2.3"), "name"+strconv.Itoa(i)) == 0 {
			spray++
		}
	}
	require.Equal(t, 2*freeGuesses, spray, "one password for all names")
	require.Zero(t, l.beginPerson(from("192.0.2.4"), "anna"))
	for i := range 2 * freeGuessesAll {
		l.beginPerson(from("198.51.100."+strconv.Itoa(i)), "anna")
	}
	require.Positive(t, l.beginPerson(from("192.0.2.9"), "anna"), "a crowd at one name")
	require.LessOrEqual(t, l.beginPerson(from("192.0.2.9"), "anna"), longestWaitAll)
	now = now.Add(longestWaitAll)
	require.Zero(t, l.beginPerson(from("192.0.2.9"), "anna"))
	for i := range 100_000 {
		l.guessesOf(l.nameGroup(strconv.Itoa(i)), "192.0.2.1", now)
	}
	require.LessOrEqual(t, len(l.byRole), nameGroups+1)
}

// The same through the form: the right password is not compared while a name waits, and
// the owner's browser does not wait for others.
func TestGuessingAtNamesIsSlowed(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Users: newUsersFile(t).File}})
	anna := b.stranger(t)
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", annasPassword).StatusCode)
	require.Equal(t, http.StatusSeeOther, anna.post("/logout", nil).StatusCode)
	for _, name := range []string{"anna", "nobody"} {
		c := b.stranger(t)
		for range freeGuesses {
			require.Equal(t, http.StatusForbidden, c.loginAs(name, "wrong").StatusCode, name)
		}
		got := c.loginAs(name, annasPassword)
		require.Equal(t, http.StatusTooManyRequests, got.StatusCode, "a name that nobody has is treated alike")
		require.NotEmpty(t, got.Header.Get("Retry-After"))
	}
	require.Equal(t, http.StatusSeeOther, anna.loginAs("anna", annasPassword).StatusCode)
}
