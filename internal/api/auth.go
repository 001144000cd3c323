package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// caller is the token that sent a request, and the address that it came from.
type caller struct {
	db.Token
	address string
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// actor is the caller as the audit log has it.
func actor(ctx context.Context) usecase.Actor {
	c := callerOf(ctx)
	return usecase.Actor{Name: c.address, Person: c.Name, Via: usecase.ViaAPI}
}

// maxKnown is how many right secrets are remembered at most.
const maxKnown = 10_000

// authenticate finds the token of a request, and checks what it may do and how often.
func (s *Server) authenticate(r *http.Request) (caller, *Problem) {
	c := caller{address: s.cfg.Address(r)}
	secret, ok := bearer(r)
	if !ok {
		return c, unauthorized("send one token: Authorization: Bearer TOKEN; `relabel token create NAME` makes one")
	}
	t, refused := s.find(r.Context(), secret, c.address)
	if refused != nil {
		return c, refused
	}
	c.Token = t
	if refused := s.limit(t.ID); refused != nil {
		return c, refused
	}
	if t.Role != db.TokenWrite && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return c, newProblem(http.StatusForbidden, fmt.Sprintf("token %s may only read; `relabel token create NAME --role write` makes one that may change things", t.Name))
	}
	return c, nil
}

// bearer returns the secret in a request's Authorization header. Cookies don't count:
// browsers send them for other web pages too, which could then act in a person's name. Two
// headers are refused: a proxy in front may have checked the other one.
func bearer(r *http.Request) (secret string, ok bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	return strings.TrimSpace(secret), ok && strings.EqualFold(scheme, "Bearer")
}

// find looks for a token. A secret that was right before does not have to wait when somebody
// else at its address guesses.
func (s *Server) find(ctx context.Context, secret, address string) (db.Token, *Problem) {
	hash := sha256.Sum256([]byte(secret))
	known := s.knows(hash)
	if !known {
		if wait := s.cfg.Guess(address); wait > 0 {
			return db.Token{}, tooMany("too many requests with wrong tokens", wait)
		}
	}
	t, err := s.cfg.DB.TokenBySecret(ctx, secret)
	switch {
	case errors.Is(err, db.ErrNoToken):
		s.refused(ctx, address, "", "the token is wrong")
		return t, unauthorized("this token is wrong: `relabel token list` shows those that exist")
	case err == nil && t.State != db.TokenActive:
		s.setKnown(hash, false)
		s.refused(ctx, address, t.Name, "the token is "+t.State)
		return t, unauthorized(fmt.Sprintf("token %s is %s: `relabel token create` makes another", t.Name, t.State))
	}
	if !known {
		s.cfg.Right(address) // an error of ours is no guess either
	}
	if err != nil {
		return t, s.problem(err)
	}
	s.setKnown(hash, true)
	return t, nil
}

// refused records a token that does not work. The waits of Guess limit the entries.
func (s *Server) refused(ctx context.Context, address, name, why string) {
	s.cfg.Logger.Warn("a request to the API was refused", "from", address, "token", name, "reason", why)
	wrong := errors.New("refused: " + why)
	e := records.AuditEntry{Who: address, Person: name, Via: usecase.ViaAPI, Action: "log in", Subject: "API"}
	err := records.Audit(context.WithoutCancel(ctx), s.cfg.DB, e, func(context.Context) (int64, error) { return -1, wrong })
	if err != nil && !errors.Is(err, wrong) {
		s.cfg.Logger.Error("the audit log could not be written", "action", e.Action, "error", err)
	}
}

func (s *Server) knows(hash [32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[hash]
}

func (s *Server) setKnown(hash [32]byte, right bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[hash] = right
}

// limit counts a request of a token.
func (s *Server) limit(token int) *Problem {
	s.mu.Lock()
	l := s.limits[token]
	if l == nil {
		l = rate.NewLimiter(requestsPerSecond, requestBurst)
		s.limits[token] = l
	}
	s.mu.Unlock()
	now := s.cfg.Now()
	reserved := l.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reserved.CancelAt(now)
	return tooMany(fmt.Sprintf("a token may make %d requests a second, after %d at once", requestsPerSecond, requestBurst), wait)
}

func unauthorized(detail string) *Problem {
	p := newProblem(http.StatusUnauthorized, detail)
	p.header = http.Header{"Www-Authenticate": {`Bearer realm="relabel"`}}
	return p
}

func tooMany(why string, wait time.Duration) *Problem {
	return newProblem(http.StatusTooManyRequests, why+": try again in "+text.Span(max(wait, time.Second))).after(wait)
}

// after says when to try again.
func (p *Problem) after(wait time.Duration) *Problem {
	p.header = http.Header{"Retry-After": {strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))}}
	return p
}
