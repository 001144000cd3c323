package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever guesses has to wait, each for himself and all together; the owner gets in.
func TestLoginLimiter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	g := newLoginLimiter(func() time.Time { return now })
	guess := func(from string) time.Duration {
		_, wait := g.begin(guesser{address: from}, RoleChange)
		return wait
	}
	for range freeGuesses {
		require.Zero(t, guess("192.0.2.1"))
	}
	require.Equal(t, firstWait, guess("192.0.2.1"))
	require.Zero(t, guess("192.0.2.2"), "another one is free")
	now = now.Add(firstWait)
	require.Zero(t, guess("192.0.2.1"))
	require.Equal(t, 2*firstWait, guess("192.0.2.1"))
	g.succeed(guesser{address: "192.0.2.1"}, []Role{RoleChange}, RoleChange)
	require.Zero(t, guess("192.0.2.1"), "who knows it begins anew")

	require.Zero(t, guess("2001:db8::1"))
	for range freeGuesses - 1 {
		require.Zero(t, guess("2001:db8::ffff"))
	}
	require.Equal(t, firstWait, guess("2001:db8::2"), "one network, one guesser")

	for i := range freeGuessesAll {
		guess(time.Duration(i).String())
	}
	require.Positive(t, guess("192.0.2.99"), "a crowd")
	require.LessOrEqual(t, guess("192.0.2.99"), longestWaitAll)
	known := guesser{address: "192.0.2.99", device: device{role: RoleChange, id: "x"}}
	for range freeGuesses {
		may, wait := g.begin(known, RoleChange, RoleLook)
		require.Len(t, may, 2, "a browser that logged in before does not wait for others")
		require.Zero(t, wait)
	}
	_, wait := g.begin(known, RoleChange)
	require.Equal(t, firstWait, wait, "but its own guesses count")
	_, wait = g.begin(guesser{address: "192.0.2.99", device: device{role: RoleLook, id: "y"}}, RoleChange)
	require.Positive(t, wait, "a read-only one waits at the other password")
	now = now.Add(longestWaitAll)
	require.Zero(t, guess("192.0.2.99"))
	require.Equal(t, longestWait, backOff(1000, longestWait))
}

// Who knows the read-only password gets no more guesses at the other one by it, and
// gets in while guesses at the other one wait.
func TestRolesAreGuessedApart(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Password: "correct horse", ReadOnlyPassword: "battery staple"}})
	c := b.stranger(t)
	try := func(password string) int { return c.post("/login", url.Values{"password": {password}}).StatusCode }
	for i := range freeGuesses {
		require.Equal(t, http.StatusSeeOther, try("battery staple"))
		require.Equal(t, http.StatusForbidden, try("wrong"), i)
	}
	require.Equal(t, http.StatusTooManyRequests, try("wrong"))
	require.Equal(t, http.StatusTooManyRequests, try("correct horse"), "it is not compared")
	require.Equal(t, http.StatusSeeOther, try("battery staple"))
}

// A browser that logged in before does not wait because of guesses from elsewhere, as
// long as its password is the same.
func TestKnownBrowserDoesNotWait(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Password: "correct horse"}})
	owner, stranger := b.stranger(t), b.stranger(t)
	try := func(c *browser) int { return c.post("/login", url.Values{"password": {"correct horse"}}).StatusCode }
	require.Equal(t, http.StatusSeeOther, try(owner))
	require.Equal(t, http.StatusSeeOther, owner.post("/logout", nil).StatusCode)
	for i := range 2 * freeGuessesAll {
		b.server.limiter.begin(guesser{address: time.Duration(i).String()}, RoleChange)
	}
	require.Equal(t, http.StatusTooManyRequests, try(stranger))
	require.Equal(t, http.StatusSeeOther, try(owner))
}

func TestDevices(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	p := newPasswords("correct horse", "battery staple")
	value := p.remember(RoleLook, now)
	got := p.find(value, now.Add(deviceLife))
	require.Equal(t, RoleLook, got.role)
	require.NotEmpty(t, got.id)
	require.Zero(t, p.find(value, now.Add(deviceLife+time.Second)), "too old")
	for _, bad := range []string{"", "...", value + "x", "change" + strings.TrimPrefix(value, "look"), strings.Replace(value, ".", "", 1), ".a.9999999999.b"} {
		require.Zero(t, p.find(bad, now), bad)
	}
	require.Equal(t, []Role{RoleChange}, p.set("another horse", "battery staple"))
	require.NotZero(t, p.find(value, now))
	require.Equal(t, []Role{RoleLook}, p.set("another horse", "another staple"))
	require.Zero(t, p.find(value, now), "of the old password")
	require.Zero(t, newPasswords("correct horse", "battery staple").find(value, now), "of another process")
}

// A changed password ends the sessions of the old one, and those alone.
func TestChangedPasswordEndsSessions(t *testing.T) {
	t.Parallel()
	type files struct {
		change, look string
		problem      error
	}
	now := atomic.Pointer[files]{} // the dashboard reads them, too
	now.Store(&files{"correct horse", "battery staple", nil})
	b := setup(t, settings{config: Config{
		Password: "correct horse", ReadOnlyPassword: "battery staple",
		ReadPasswords: func() (string, string, error) { f := now.Load(); return f.change, f.look, f.problem },
	}})
	owner, reader := b.stranger(t), b.stranger(t)
	try := func(c *browser, password string) int {
		return c.post("/login", url.Values{"password": {password}}).StatusCode
	}
	require.Equal(t, http.StatusSeeOther, try(owner, "correct horse"))
	require.Equal(t, http.StatusSeeOther, try(reader, "battery staple"))
	require.NoError(t, b.server.readPasswords())
	require.Equal(t, http.StatusOK, owner.get("/").StatusCode, "nothing has changed")
	now.Store(&files{"another horse", "battery staple", nil})
	require.NoError(t, b.server.readPasswords())
	require.Equal(t, http.StatusSeeOther, owner.get("/").StatusCode)
	require.Equal(t, http.StatusOK, reader.get("/").StatusCode)
	require.Equal(t, http.StatusForbidden, try(owner, "correct horse"))
	require.Equal(t, http.StatusSeeOther, try(owner, "another horse"))
	now.Store(&files{"", "", errors.New("the file is away")})
	require.Error(t, b.server.readPasswords())
	require.Equal(t, http.StatusOK, owner.get("/").StatusCode, "a file that can't be read changes nothing")
}

func TestGuessingIsSlowed(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Password: "correct horse"}})
	c := b.stranger(t)
	for range freeGuesses {
		require.Equal(t, http.StatusForbidden, c.post("/login", url.Values{"password": {"wrong"}}).StatusCode)
	}
	got := c.post("/login", url.Values{"password": {"correct horse"}})
	require.Equal(t, http.StatusTooManyRequests, got.StatusCode, "the right one is not looked at either")
	require.NotEmpty(t, got.Header.Get("Retry-After"))
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	l := newSessions(func() time.Time { return now })
	begin := func(name string, r Role) string {
		secret, ok := l.begin(login{name: name, from: "192.0.2.1", role: r})
		require.True(t, ok)
		return secret
	}
	idle := begin("a", RoleLook)
	now = now.Add(sessionIdle)
	require.NotNil(t, l.find(idle))
	now = now.Add(sessionIdle + 1)
	require.Nil(t, l.find(idle), "not used for so long")
	old := begin("b", RoleLook)
	for end := now.Add(sessionLife); now.Before(end); now = now.Add(time.Hour) {
		require.NotNil(t, l.find(old))
	}
	now = now.Add(time.Hour)
	require.Nil(t, l.find(old), "used all the time, but old")
	first := begin("first", RoleLook)
	ended := l.find(first).ctx
	for range maxSessions {
		now = now.Add(1)
		begin("more", RoleLook)
	}
	require.Nil(t, l.find(first))
	require.Error(t, ended.Err(), "its requests end with it")
	require.Len(t, l.byKey, maxSessions)
}

// A read-only login never throws out a session that may change things.
func TestLoginsMakeRoom(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	l := newSessions(func() time.Time { return now })
	owner, _ := l.begin(login{name: "owner", from: "192.0.2.1", role: RoleChange})
	for range maxSessions + 1 {
		now = now.Add(1)
		_, ok := l.begin(login{name: "reader", from: "192.0.2.2", role: RoleLook})
		require.True(t, ok)
	}
	require.NotNil(t, l.find(owner))
	for range maxSessions - 1 {
		_, ok := l.begin(login{name: "editor", from: "192.0.2.3", role: RoleChange})
		require.True(t, ok)
	}
	_, ok := l.begin(login{name: "reader", from: "192.0.2.2", role: RoleLook})
	require.False(t, ok, "there is no read-only session that could end")
	require.NotNil(t, l.find(owner))
	_, ok = l.begin(login{name: "editor", from: "192.0.2.3", role: RoleChange})
	require.True(t, ok)
	require.Len(t, l.byKey, maxSessions)
	now = now.Add(sessionIdle + 1)
	_, ok = l.begin(login{name: "reader", from: "192.0.2.2", role: RoleLook})
	require.True(t, ok)
	require.Len(t, l.byKey, 1, "sessions that are over make room first")
}
