package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"relabel/db"
)

func newConfig() huma.Config {
	c := huma.DefaultConfig("relabel", "1")
	c.Info.Description = "Load batches of new names for Webflow assets, send them, and watch them. docs/api.md has recipes."
	c.Components.Schemas = huma.NewMapRegistry(schemaPrefix, schemaName)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath, c.CreateHooks = "", "", "", nil
	c.Transformers = []huma.Transformer{ownProblems}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "relabel token create NAME --role read|write"},
	}
	c.RejectUnknownQueryParameters = true // a filter with a typing error would choose all rows
	return c
}

// errorsOf are the statuses of errors that every operation may have, and those of loads.
func errorsOf() []int {
	return []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable,
	}
}

func loadErrors() []int {
	return []int{http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}
}

// register adds an operation. Its errors become problems.
func register[I, O any](s *Server, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	op.Security = []map[string][]string{{"token": {}}}
	op.Tags = []string{strings.Split(strings.TrimPrefix(op.Path, Prefix+"/"), "/")[0]}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	for _, status := range append(errorsOf(), op.Errors...) {
		op.Responses[strconv.Itoa(status)] = s.problemResponse(status)
	}
	op.Errors = nil
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(err)
		}
		return out, nil
	})
}

func (s *Server) problemResponse(status int) *huma.Response {
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "")
	return &huma.Response{
		Description: http.StatusText(status),
		Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
	}
}

// Document is the OpenAPI document.
func (s *Server) Document() ([]byte, error) {
	return json.MarshalIndent(s.api.OpenAPI(), "", "  ")
}

func (s *Server) document(w http.ResponseWriter, _ *http.Request) {
	text, err := s.Document()
	if err != nil {
		newProblem(http.StatusInternalServerError, err.Error()).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/openapi+json")
	_, _ = w.Write(text) // the client may be gone
}

// ok is an answer with a body.
type ok[T any] struct{ Body T }

// tagged is an answer that a client can ask for again with If-None-Match.
type tagged[T any] struct {
	Status       int
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         T
}

// IfNoneMatch is the ETag that a client has.
type IfNoneMatch struct {
	IfNoneMatch string `header:"If-None-Match" doc:"the ETag of an earlier answer: the answer is 304 while nothing has changed" maxLength:"1000"`
}

// tag answers with 304 if the client already has this version.
func tag[T any](body T, in IfNoneMatch) (*tagged[T], error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("error making the answer: %w", err)
	}
	sum := sha256.Sum256(text)
	out := &tagged[T]{Status: http.StatusOK, ETag: `"` + hex.EncodeToString(sum[:16]) + `"`, CacheControl: "private, no-cache", Body: body}
	for one := range strings.SplitSeq(in.IfNoneMatch, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == out.ETag || one == "*" {
			out.Status = http.StatusNotModified
		}
	}
	return out, nil
}

// notModified documents what tag may answer.
func notModified() map[string]*huma.Response {
	return map[string]*huma.Response{"304": {Description: "Nothing has changed since the ETag in If-None-Match"}}
}

// site finds a site that the caller may see.
func (s *Server) site(ctx context.Context, name string) (db.Site, error) {
	t := callerOf(ctx)
	if t.Site != nil && *t.Site != name {
		return db.Site{}, hiddenSite(t, name)
	}
	return s.cfg.DB.SiteByName(ctx, name)
}

func hiddenSite(t caller, name string) *Problem {
	return newProblem(http.StatusForbidden, fmt.Sprintf("token %s is for site %s only, not for %s", t.Name, *t.Site, name))
}

// sees returns the site that a list is limited to, or an empty name for all sites. It
// refuses a site that the caller may not see.
func sees(ctx context.Context, wanted string) (string, error) {
	t := callerOf(ctx)
	switch {
	case t.Site == nil:
		return wanted, nil
	case wanted != "" && wanted != *t.Site:
		return "", hiddenSite(t, wanted)
	}
	return *t.Site, nil
}

// listedSite is sees that also refuses a site that does not exist.
func (s *Server) listedSite(ctx context.Context, wanted string) (string, error) {
	site, err := sees(ctx, wanted)
	if err == nil && site != "" {
		_, err = s.cfg.DB.SiteByName(ctx, site)
	}
	return site, err
}

// errBusy is the answer while too many transfers run.
func errBusy() *Problem {
	return newProblem(http.StatusServiceUnavailable, "too many loads or downloads are running: try again when one has ended").after(10e9)
}

// take reserves one of the places for long transfers.
func (s *Server) take(ctx context.Context) (release func(), err error) {
	t := callerOf(ctx)
	release, free := s.cfg.Take(t.ID, t.Role)
	if !free {
		return nil, errBusy()
	}
	return release, nil
}
