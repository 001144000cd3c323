// Package web owns the dashboard: pages in a browser that show what the command
// line shows and can do what it does. River UI runs beside them under /river.
//
//   - Server is the dashboard. New wires it, Serve runs it until its context ends,
//     and routes lists every page and action with the role that it needs.
//   - guard (guard.go) checks every request first: host name, origin, size. forRole
//     (auth.go) then requires a login with a role: RoleLook or RoleChange.
//   - sessions (sessions.go) holds who is logged in. A request ends with its session.
//     passwords (passwords.go) and loginLimiter decide who gets in, and quota
//     (quota.go) bounds what a session has at once: transfers and streams.
//   - users.go logs people in with passwords of their own, from the file of package
//     people. proxy.go takes their names from a proxy that logs them in.
//   - act (actions.go) runs every action of a person and records it in the audit
//     log.
//   - scheduleform.go, sites.go and upload.go are the forms. What they store is checked
//     by packages schedule and usecase, as for the command line.
//   - assets.go is the page of assets. What a person edits there (assetedit.go), or by a
//     rule (assetrule.go), becomes a plan (assetplan.go). pictures.go decides which
//     pictures a page may show.
//   - hub (live.go) streams figures that change to open pages: it reads each topic
//     once a second for all readers. cache (cache.go) holds expensive figures for a
//     moment.
//   - background (background.go) owns work that outlives its request, such as
//     reading a site for a plan.
//
// Pages are rendered on the server from templates/ and work without JavaScript.
package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/config"
	"relabel/internal/metrics"
	"relabel/internal/people"
	"relabel/internal/records"
	"relabel/internal/schedule"
	"relabel/internal/usecase"
	"relabel/jobs"
)

// Config configures a Server.
type Config struct {
	DB      *db.DB
	Client  *jobs.Client // inserts jobs, and River UI's
	Version string
	Logger  *slog.Logger
	Now     func() time.Time // for sessions and login limits; nil: time.Now

	// Without a password, people log in with links that work once: see Link.
	Password         string
	ReadOnlyPassword string
	ReadPasswords    func() (change, look string, err error) // reads them again; nil: they stay
	LinkUsed         func(r Role, from string)               // called when a link was used and replaced; may be nil

	// Users may log in with a name and a password of their own, beside links or passwords.
	Users   *people.File // nil: there are none
	NoLinks bool         // links don't log in
	Proxy   *Proxy       // logs people in; nil: relabel does

	Hosts       []string       // accepted host names, besides IP addresses and localhost
	Secure      bool           // browsers use https, to us or to a proxy in front of us
	BehindProxy bool           // X-Forwarded-For holds the client's address
	Proxies     []netip.Prefix // whose X-Forwarded-For counts; none: of this machine and private networks
	Port        string         // keeps the cookies of two dashboards on one host apart

	MaxUpload int64 // largest CSV, in bytes
	MaxRows   int64 // of a CSV; 0: no limit

	// Site returns the client and lane to read a site with. Its error says why the
	// token is missing.
	Site        func(db.Site) (jobs.SiteConfig, error)
	StandIn     func(site string) bool // reports sites that the upload page leaves out; nil: none
	CallTimeout time.Duration

	Settings  config.Config    // what this process's environment allows sites to name
	Schedules schedule.Sources // and schedules
}

// Server is the dashboard. Serve runs it; tests use it as an http.Handler.
type Server struct {
	cfg        Config
	use        *usecase.Service
	pages      pages
	static     static
	hub        *hub
	sessions   *sessions
	limiter    *loginLimiter
	passwords  *passwords
	links      *links
	background *background
	namesWait  time.Duration
	figures    *cache[slowFigures]
	plans      *cache[usecase.Summary]
	troubles   *cache[trouble]
	types      *cache[[]records.AssetType] // by site
	long       *quota                      // uploads and downloads in progress
	streams    *quota
	river      riverUI
	handler    http.Handler

	usersMu      sync.Mutex // while the file of people is read and applied
	usersProblem string     // that was logged last
}

// New wires a dashboard.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := cfg.checkLogins(); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, use: &usecase.Service{DB: cfg.DB, Client: cfg.Client, Site: cfg.Site, CallTimeout: cfg.CallTimeout, Logger: cfg.Logger},
		hub: newHub(cfg.Logger), sessions: newSessions(cfg.Now),
		limiter: newLoginLimiter(cfg.Now), passwords: newPasswords(cfg.Password, cfg.ReadOnlyPassword), links: newLinks(), background: newBackground(), namesWait: namesWait,
		figures: newCache[slowFigures](slowEvery), plans: newCache[usecase.Summary](planEvery), troubles: newCache[trouble](troubleEvery), types: newCache[[]records.AssetType](typesEvery), long: newQuota(longAllowance()), streams: newQuota(streamAllowance()),
	}
	if cfg.Users != nil {
		s.applyUsers()
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

// routes registers every page and action. "open" routes need no login, "look"
// routes need a login, "change" routes need the role that may change things. Their
// order does not matter: ServeMux takes the most specific pattern.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	open, look, change := mux.HandleFunc, s.forRole(mux, RoleLook), s.forRole(mux, RoleChange)

	open("GET /static/{file}", s.static.serve)
	open("GET /login", s.loginPage)
	open("GET "+enteredPath, s.enteredPage)
	open("POST /login", s.login)
	open("GET /healthz", metrics.Healthz(s.cfg.DB))
	open("GET /readyz", metrics.Readyz(s.cfg.DB))

	look("GET /{$}", s.overviewPage)
	look("GET /batches", s.batchesPage)
	look("GET /batch/{id}", s.batchPage)
	look("GET /batch/{id}/results.csv", s.results)
	look("GET /asset", s.assetPage)
	look("GET "+assetsPath, s.assetsPage)
	look("POST "+assetsCSVPath, s.assetsCSV)
	look("POST "+picturesPath, s.setPictures)
	look("GET /log", s.logPage)
	look("GET /schedules", s.schedulesPage)
	look("GET /sites", s.sitesPage)
	look("GET /schedule/{name}", s.schedulePage)
	look("GET "+uploadPath, s.uploadPage)
	look("GET /sample.csv", s.sample)
	look("GET /live/{topic...}", s.live)
	look("POST /logout", s.logout)
	look("/", s.notFound)

	s.changeRoutes(change)

	mux.Handle(api.Prefix+"/", s.newAPI()) // it has tokens of its own
	look("GET /river/", s.river.ServeHTTP)
	change("/river/", s.changeRiver)
	return mux
}

// changeRoutes registers the pages and actions that change something.
func (s *Server) changeRoutes(change func(string, func(http.ResponseWriter, *http.Request))) {
	change("GET "+sessionsPath, s.sessionsPage)
	change("POST "+sessionsPath+"/{id}/end", s.endSession)
	change("POST "+uploadPath, s.upload)
	change("POST "+columnsPath, s.askColumns)
	change("POST "+assetsPath+"/plan", s.planEdits)
	change("POST "+assetsPath+"/read", s.readSite)
	change("POST "+rulePath, s.planRule)
	change("POST "+rulePath+"/preview", s.previewRule)
	change("POST /batch/{id}/{action}", s.changeBatch)
	change("POST "+seenPath, s.markSeen)
	change("POST /site/{site}/{action}", s.changeSite)
	change("GET /sites/new", s.siteFormPage)
	change("POST /sites", s.saveSite)
	change("GET /site/{site}/edit", s.siteFormPage)
	change("POST /site/{site}/edit", s.saveSite)
	change("POST /schedule/{name}/{action}", s.changeSchedule)
	change("GET /schedules/new", s.scheduleFormPage)
	change("GET "+timesPath, s.timesInWords)
	change("POST /schedules", s.saveSchedule)
	change("GET /schedule/{name}/edit", s.scheduleFormPage)
	change("POST /schedule/{name}/edit", s.saveSchedule)
}
