// Package web owns the dashboard: pages that show what the command line shows,
// and act on it, for a browser; River UI beside them.
//
// Pages are rendered here and are right without JavaScript. Whoever looks at one
// has logged in; what a request may do is decided in guard.go and auth.go, before
// any page's handler runs.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"relabel/db"
	"relabel/internal/plan"
	"relabel/jobs"
)

// Config of a Server.
type Config struct {
	DB      *db.DB
	Client  *jobs.Client // to queue renames with
	Version string
	Logger  *slog.Logger
	Now     func() time.Time // for sessions and back-off; nil: time.Now

	// Without a password people log in by links that work once, see Link.
	Password         string
	ReadOnlyPassword string
	LinkUsed         func(r Role, from string) // a link is used up: there is a next one; may be nil

	Hosts       []string // names the dashboard goes by, besides IP addresses and localhost
	Secure      bool     // the browser speaks https, to us or to the proxy before us
	BehindProxy bool     // X-Forwarded-For says who asks
	Port        string   // of the address, so that the cookies of two dashboards on one host differ

	MaxUpload int64 // bytes of a CSV

	// Site puts together what reading a site takes; its error says why there is
	// no token.
	Site        func(db.Site) (jobs.SiteConfig, error)
	StandIn     func(site string) bool // sites that nobody loads for; nil: none
	CallTimeout time.Duration
}

// Server is the dashboard. Serve runs it; it is an http.Handler for tests.
type Server struct {
	cfg        Config
	pages      pages
	static     static
	hub        *hub
	sessions   *sessions
	limiter    *loginLimiter
	links      *links
	background *background
	figures    *cache[slowFigures]
	plans      *cache[plan.Summary]
	long       chan struct{} // uploads and downloads that go on
	river      riverUI
	handler    http.Handler
}

// New wires a dashboard.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ReadOnlyPassword != "" && cfg.Password == "" {
		return nil, errors.New("a read-only password needs one that may change things beside it")
	}
	s := &Server{
		cfg: cfg, hub: newHub(cfg.Logger), sessions: newSessions(cfg.Now),
		limiter: newLoginLimiter(cfg.Now), links: newLinks(), background: newBackground(),
		figures: newCache[slowFigures](slowEvery), plans: newCache[plan.Summary](planEvery), long: make(chan struct{}, maxLong),
	}
	var err error
	if s.static, err = readStatic(); err != nil {
		return nil, err
	}
	if s.pages, err = readPages(s.static); err != nil {
		return nil, err
	}
	if s.river, err = newRiverUI(cfg); err != nil {
		return nil, err
	}
	s.handler = s.guard(s.routes())
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// routes has no order: ServeMux takes the most specific pattern. "open" ones are
// for everybody, "look" for who has logged in, "change" for who may change things.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	open, look, change := mux.HandleFunc, s.forRole(mux, RoleLook), s.forRole(mux, RoleChange)

	open("GET /static/{file}", s.static.serve)
	open("GET /login", s.loginPage)
	open("POST /login", s.login)
	open("GET /healthz", s.health)

	look("GET /{$}", s.overviewPage)
	look("GET /batches", s.batchesPage)
	look("GET /batch/{id}", s.batchPage)
	look("GET /batch/{id}/results.csv", s.results)
	look("GET /asset", s.assetPage)
	look("GET /log", s.logPage)
	look("GET /schedules", s.schedulesPage)
	look("GET /schedule/{name}", s.schedulePage)
	look("GET "+uploadPath, s.uploadPage)
	look("GET /live/{topic...}", s.live)
	look("POST /logout", s.logout)
	look("/", s.notFound)

	change("POST "+uploadPath, s.upload)
	change("POST /batch/{id}/{action}", s.changeBatch)
	change("POST /site/{site}/{action}", s.changeSite)
	change("POST /schedule/{name}/{action}", s.changeSchedule)

	look("GET /river/", s.river.ServeHTTP)
	change("/river/", s.changeRiver)
	return mux
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second) // a check that waits longer is none
	defer cancel()
	if _, err := s.cfg.DB.Now(ctx); err != nil {
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
