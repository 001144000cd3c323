package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"

	"relabel/internal/people"
	"relabel/internal/records"
)

// Proxy is a proxy in front of the dashboard that logs people in. It names the person of
// each request in a header, and nobody can log in otherwise.
type Proxy struct {
	Header string         // such as X-Forwarded-User
	From   []netip.Prefix // where the proxy is. Other addresses are refused
	Role   Role           // of people who are not in Config.Users; empty: they are refused
}

// CheckProxyHeader returns an error unless a header can name the person.
func CheckProxyHeader(name string) error {
	taken := []string{"Authorization", "Connection", "Content-Length", "Content-Type", "Cookie", "Forwarded", "Host", "Origin", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}
	name = http.CanonicalHeaderKey(name)
	switch {
	case name == "" || slices.ContainsFunc([]byte(name), func(c byte) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}):
		return fmt.Errorf("%q is not the name of a header: it has letters, digits and hyphens", name)
	case slices.Contains(taken, name):
		return fmt.Errorf("the header %s has another meaning: choose one such as X-Forwarded-User", name)
	}
	return nil
}

// outside says why a request is refused that does not come from the proxy, or is empty.
// Health checks may come from anywhere.
func (s *Server) outside(r *http.Request) string {
	if s.cfg.Proxy == nil || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || s.fromProxy(r) {
		return ""
	}
	return "refused: this dashboard takes requests only from its proxy. This one came from " + peer(r) +
		"; relabel serve --trust-from says where the proxy is"
}

// peer is the address at the other end of the connection. Headers do not change it.
func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (s *Server) fromProxy(r *http.Request) bool { return within(s.cfg.Proxy.From, peer(r)) }

// within reports whether an address is in one of some networks.
func within(list []netip.Prefix, host string) bool {
	addr, err := netip.ParseAddr(host)
	addr = addr.Unmap().WithZone("")
	return err == nil && slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// proxyName is the person whom the proxy has named. The error is for the person.
func (s *Server) proxyName(r *http.Request) (string, error) {
	values := r.Header.Values(s.cfg.Proxy.Header)
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		return "", fmt.Errorf("the proxy in front of relabel did not say who you are: it must set the header %s", s.cfg.Proxy.Header)
	}
	if len(values) > 1 {
		return "", fmt.Errorf("refused: this request has the header %s %d times; the proxy must replace what a browser sends", s.cfg.Proxy.Header, len(values))
	}
	if err := people.CheckName(values[0]); err != nil {
		return "", fmt.Errorf("refused: the header %s can't be used: %w", s.cfg.Proxy.Header, err)
	}
	return values[0], nil
}

// proxyRole is the role of a person whom the proxy has named, now.
func (s *Server) proxyRole(name string) (Role, bool) {
	if s.cfg.Users != nil {
		if p, ok := s.cfg.Users.Find(name); ok {
			return p.Role, true
		}
	}
	return s.cfg.Proxy.Role, s.cfg.Proxy.Role != ""
}

// proxySession returns the session of the person whom the proxy has named, and starts it
// at the person's first request from an address. It answers a request that it refuses.
func (s *Server) proxySession(w http.ResponseWriter, r *http.Request) (*session, bool) {
	name, err := s.proxyName(r)
	if err != nil {
		s.fail(w, r, http.StatusUnauthorized, err.Error())
		return nil, false
	}
	who := login{name: name, from: s.client(r), proof: namedByProxy}
	var ok bool
	if who.role, ok = s.proxyRole(name); !ok {
		s.fail(w, r, http.StatusForbidden, "The proxy says that you are "+name+". This name is not in the file of people (relabel serve --users), so you may not look. Whoever runs relabel can add it.")
		return nil, false
	}
	one, begun := s.sessions.ofProxy(who)
	if one == nil {
		s.fail(w, r, http.StatusServiceUnavailable, errTooManySessions.Error())
		return nil, false
	}
	return one, !begun || s.recordBegun(w, r, one)
}

// recordBegun writes a login that the proxy has made to the audit log, or ends its
// session.
func (s *Server) recordBegun(w http.ResponseWriter, r *http.Request, one *session) bool {
	entry := s.loginEntry(r)
	entry.Person, entry.Detail = one.name, loginDetail(one.login)
	err := records.Audit(r.Context(), s.cfg.DB, entry, func(context.Context) (int64, error) { return -1, nil })
	if err != nil {
		s.sessions.end(func(other *session) bool { return other == one })
		s.failed(w, r, err)
	}
	return err == nil
}

// ofProxy finds or begins the session of a person behind the proxy, whose browser needs
// no cookie for it.
func (l *sessions) ofProxy(who login) (one *session, begun bool) {
	secret := "proxy\n" + who.name + "\n" + who.from
	l.mu.Lock()
	defer l.mu.Unlock()
	if one = l.byKey[sha256.Sum256([]byte(secret))]; one != nil && l.keep(one) {
		one.roleNow.Store(who.role)
		return one, false
	}
	return l.add(secret, who), true
}

// proxyLogin answers the login page: the proxy has its own.
func (s *Server) proxyLogin(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.proxySession(w, r); ok {
		http.Redirect(w, r, localPath(r.URL.Query().Get("next")), http.StatusSeeOther) //nolint:gosec // a path of ours
	}
}

// proxyLogout answers a logout. relabel can't make the proxy forget the person.
func (s *Server) proxyLogout(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, http.StatusOK, "Your session has ended. Your next page starts another one, as long as the proxy in front of relabel knows you: log out there, too.")
}

// checkLogins refuses settings with which nobody could log in, or anybody.
func (c Config) checkLogins() error {
	switch {
	case c.ReadOnlyPassword != "" && c.Password == "":
		return errors.New("a read-only password needs a password that may change things, too")
	case c.Proxy != nil && c.Password != "":
		return errors.New("a proxy that logs people in leaves no use for a password")
	case c.Proxy != nil && (len(c.Proxy.From) == 0 || c.Proxy.Role == "" && c.Users == nil):
		return errors.New("a proxy that logs people in needs its address, and a role or the file of people")
	}
	return nil
}
