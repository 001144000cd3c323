package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// passwordEvery is how often the password files are read again.
	passwordEvery = 5 * time.Second

	// deviceLife is how long a browser is remembered that has logged in.
	deviceLife = 30 * 24 * time.Hour
)

// passwords holds the password of each role. A changed one ends what came of the old
// one: sessions, and the devices that are remembered.
type passwords struct {
	mu     sync.Mutex
	byRole map[Role]credential
	people map[Role]personKey // of those with a password of their own
}

// credential is a role's password and the key that signs its devices. The key is
// random, and so ends with the process: were it made from the password, the owner of a
// cookie could try passwords on it at home.
type credential struct{ password, key string }

func newPasswords(change, look string) *passwords {
	p := &passwords{byRole: map[Role]credential{}}
	p.set(change, look)
	return p
}

// set returns the roles whose password is another one than before.
func (p *passwords) set(change, look string) (changed []Role) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for role, password := range map[Role]string{RoleChange: change, RoleLook: look} {
		if p.byRole[role].password != password {
			p.byRole[role] = credential{password: password, key: newSecret()}
			changed = append(changed, role)
		}
	}
	return changed
}

func (p *passwords) of(r Role) credential {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byRole[r]
}

// roles returns the roles that have a password.
func (p *passwords) roles() (list []Role) {
	for _, r := range []Role{RoleChange, RoleLook} {
		if p.of(r).password != "" {
			list = append(list, r)
		}
	}
	return list
}

// check returns the role of a password, of those that may be compared. It always
// compares with both, so that its duration reveals nothing.
func (p *passwords) check(given string, may []Role) (got Role, ok bool) {
	for _, r := range []Role{RoleLook, RoleChange} {
		if right := same(given, p.of(r).password); right && given != "" && slices.Contains(may, r) {
			got, ok = r, true
		}
	}
	return got, ok
}

// device is a browser in which somebody has logged in with a role before.
type device struct {
	role Role
	id   string
}

// remember returns a signed value, by which find recognises a device.
func (p *passwords) remember(r Role, now time.Time) string {
	text := fmt.Sprintf("%s.%s.%d", r, newSecret(), now.Add(deviceLife).Unix())
	return text + "." + sign(p.deviceKey(r), text)
}

// deviceKey signs the devices of a role or a person; empty: there is no such.
func (p *passwords) deviceKey(r Role) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, ok := p.people[r]; ok {
		return one.key
	}
	return p.byRole[r].key
}

// find returns the device of a value, or the zero one.
func (p *passwords) find(value string, now time.Time) device {
	at := strings.LastIndexByte(value, '.')
	parts := strings.Split(value, ".")
	if len(parts) != 4 {
		return device{}
	}
	d := device{role: Role(parts[0]), id: parts[1]}
	key := p.deviceKey(d.role)
	end, err := strconv.ParseInt(parts[2], 10, 64)
	if key == "" || !same(parts[3], sign(key, value[:at])) || err != nil || now.Unix() > end {
		return device{}
	}
	return d
}

func sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// watchPasswords reads the passwords again and again, until ctx ends.
func (s *Server) watchPasswords(ctx context.Context) {
	if s.cfg.ReadPasswords == nil || s.cfg.Password == "" {
		return
	}
	tick := time.NewTicker(passwordEvery)
	defer tick.Stop()
	failed := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		problem := ""
		if err := s.readPasswords(); err != nil {
			problem = err.Error()
		}
		if problem != failed && problem != "" {
			s.cfg.Logger.Error("the passwords of the dashboard can't be read again; the old ones stay", "error", problem)
		}
		failed = problem
	}
}

// readPasswords reads the passwords again, and ends the sessions of one that has
// changed.
func (s *Server) readPasswords() error {
	change, look, err := s.cfg.ReadPasswords()
	if err != nil {
		return err
	}
	for _, role := range s.passwords.set(change, look) {
		n := s.sessions.end(func(one *session) bool { return one.sharedPassword(role) })
		s.cfg.Logger.Warn("a password of the dashboard has changed", "role", role, "sessions_ended", n)
	}
	return nil
}
