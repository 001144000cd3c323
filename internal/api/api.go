// Package api owns the API for machines, /api/v1 of relabel serve.
//
//   - Server is an http.Handler. New wires it, and package web mounts it behind its guard.
//     Config holds what it shares with the dashboard: the limit of transfers, readings of
//     sites in the background, and the waits after wrong tokens.
//   - authenticate (auth.go) requires a token of table api_token. GET needs the role read,
//     POST the role write. Cookies and passwords of the dashboard are not accepted.
//   - register (register.go) adds an operation with package huma, which checks parameters
//     and makes the OpenAPI document from the Go types. Each group of operations has a file.
//   - problem (problem.go) turns an error into an answer of RFC 9457, with the same advice as
//     the command line, in terms of this API.
//   - load.go streams rows into a batch. An Idempotency-Key is stored in the batch's own
//     transaction, so a client that lost the answer can safely send the same again. That
//     finishes a load whose server was killed before its rows were queued (key.go, finish).
//
// Operations are use cases of package usecase, and answer with the types that commands
// print with --json. docs/api.md is the manual, docs/openapi.json the document.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"

	"relabel/db"
	"relabel/internal/usecase"
)

// Prefix begins the paths of all operations.
const Prefix = "/api/v1"

// DocumentPath is where the OpenAPI document is served.
const DocumentPath = Prefix + "/openapi.json"

const (
	// requestsPerSecond is the limit of one token. It is far above what polling needs.
	requestsPerSecond = 10

	// requestBurst is how many requests of one token may come at once.
	requestBurst = 100

	// maxBody is the limit for operations that read no body.
	maxBody = 64 << 10
)

// Config configures a Server.
type Config struct {
	DB     *db.DB
	Use    *usecase.Service
	Logger *slog.Logger
	Now    func() time.Time

	MaxBody int64 // of a load, in bytes
	MaxRows int64 // of a load; 0: no limit

	Address func(*http.Request) string         // where a request came from
	Guess   func(address string) time.Duration // counts a request with an unknown token; how long it must wait first
	Right   func(address string)               // takes back what Guess counted
	Take    func(token int, role db.TokenRole) (release func(), ok bool)
	With    func(context.Context) (context.Context, context.CancelFunc) // outlives the request, ends with the server

	StandIn func(site string) bool // reports sites that take no rows; nil: none
	Plans   Plans
}

// Plans reads sites in the background, for plans.
type Plans struct {
	Compare func(db.Site, usecase.Loaded)                                                     // a plan that was just loaded
	Again   func(ctx context.Context, by usecase.Actor, batch int64) error                    // compares a plan once more
	Apply   func(context.Context, usecase.Actor, usecase.ApplyParams) (later bool, err error) // later: after a reading
	Reading func(batch int64) *Reading                                                        // nil: none runs, and none has failed
}

// Reading is how far a reading of a site is.
type Reading struct {
	Calls   int    `json:"calls" doc:"calls made so far"`
	Total   int    `json:"total" doc:"calls in all, as far as it is known; 0: not yet"`
	Problem string `json:"-"` // why it failed
}

// Server is the API.
type Server struct {
	cfg Config
	mux *http.ServeMux
	api huma.API

	mu     sync.Mutex
	known  map[[32]byte]bool          // hashes of secrets that were right: they need not wait for those who guess
	limits map[int]*rate.Limiter      // by token
	keys   map[tokenKey]chan struct{} // of loads that run; closed at their end
}

// New wires an API.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), known: map[[32]byte]bool{}, limits: map[int]*rate.Limiter{}, keys: map[tokenKey]chan struct{}{}}
	s.api = humago.New(s.mux, newConfig())
	s.registerBatches()
	s.registerLoads()
	s.registerPlans()
	s.registerRows()
	s.registerSites()
	s.registerSchedules()
	exact(s.api.OpenAPI())
	exactParameters(s.api.OpenAPI())
	s.mux.HandleFunc("GET "+DocumentPath, s.document)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == DocumentPath {
		s.route(w, r)
		return
	}
	t, refused := s.authenticate(r)
	if refused == nil {
		refused = ambiguous(r)
	}
	if refused != nil {
		refused.write(w)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // millions of rows take minutes
	}
	s.route(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, t)))
}

// route also answers requests for which there is no operation, as a Problem.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		refusal := recorder{header: http.Header{}}
		s.mux.ServeHTTP(&refusal, r)
		p := notFound("there is no such operation; " + DocumentPath + " lists them")
		if refusal.status == http.StatusMethodNotAllowed {
			p = newProblem(refusal.status, "this address takes "+refusal.header.Get("Allow")+", not "+r.Method)
			p.header = http.Header{"Allow": refusal.header["Allow"]}
		}
		p.write(w)
		return
	}
	if r.URL.Path != batchesPath && r.URL.Path != plansPath {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	s.mux.ServeHTTP(w, r)
}

// recorder keeps the status and the headers of an answer.
type recorder struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
