package web

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/usecase"
)

// roleToken counts wrong tokens of the API.
const roleToken Role = "token"

// isAPI reports whether a request is for the API, which has its own logins and answers.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, api.Prefix+"/") }

// refuse answers a request that the guard does not let pass.
func refuse(w http.ResponseWriter, r *http.Request, text string, status int) {
	if isAPI(r) {
		api.Refuse(w, status, text)
		return
	}
	http.Error(w, text, status)
}

// newAPI gives the API for machines what it shares with the dashboard.
func (s *Server) newAPI() *api.Server {
	return api.New(api.Config{
		DB: s.cfg.DB, Use: s.use, Logger: s.cfg.Logger, Now: s.cfg.Now, MaxBody: s.cfg.MaxUpload, MaxRows: s.cfg.MaxRows,
		Address: s.client, StandIn: s.cfg.StandIn, With: s.background.with, Take: newTokenQuota(s.long).take,
		Guess: func(address string) time.Duration {
			_, wait := s.limiter.begin(guesser{address: address}, roleToken)
			return wait
		},
		Right: func(address string) { s.limiter.succeed(guesser{address: address}, []Role{roleToken}, roleToken) },
		Plans: api.Plans{
			Compare: func(site db.Site, plan usecase.Loaded) { s.firstCompare(site, plan) },
			Again:   s.beginCompare,
			Apply:   s.apply,
			Reading: s.apiReading,
		},
	})
}

func (s *Server) apiReading(batch int64) *api.Reading {
	r := s.background.reading(batch)
	if r == nil {
		return nil
	}
	return &api.Reading{Calls: r.Calls, Total: r.Total, Problem: r.Problem}
}

// tokenQuota counts the transfers of tokens among those of sessions.
type tokenQuota struct {
	quota *quota

	mu      sync.Mutex
	byToken map[int]*session
}

func newTokenQuota(q *quota) *tokenQuota { return &tokenQuota{quota: q, byToken: map[int]*session{}} }

func (q *tokenQuota) take(token int, role db.TokenRole) (release func(), ok bool) {
	q.mu.Lock()
	who := q.byToken[token]
	if who == nil {
		who = &session{}
		who.roleNow.Store(RoleLook)
		if role == db.TokenWrite {
			who.roleNow.Store(RoleChange)
		}
		q.byToken[token] = who
	}
	q.mu.Unlock()
	return q.quota.take(who)
}

// beginCompare reads the site again for a plan: where there is no token, relabel's own
// record decides.
func (s *Server) beginCompare(ctx context.Context, by usecase.Actor, batch int64) error {
	st, err := s.cfg.DB.PlanState(ctx, batch)
	if err != nil {
		return err
	}
	compare, action := s.compare, "compare"
	if _, err := s.use.Site(st.Site); err != nil {
		compare, action = s.compareRecord, "record"
	}
	return s.begin(ctx, by, action, batch, func() (bool, error) { return compare(batch), nil })
}
