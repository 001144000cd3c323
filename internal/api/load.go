package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/pace"
	"relabel/internal/report"
	"relabel/internal/siteread"
	"relabel/internal/usecase"
)

// shownProblems is how many wrong rows an answer lists. `relabel plan --json` lists all.
const shownProblems = 100

// source is how errors and the batch call the body.
const source = "API request"

// loadInput says how to load the body.
type loadInput struct {
	Site        string `query:"site" default:"default" maxLength:"100"`
	Name        string `query:"name" maxLength:"200" doc:"of the batch; default: the token's"`
	Priority    int    `query:"priority" minimum:"1" maximum:"4" default:"2" doc:"1 is first"`
	SkipInvalid bool   `query:"skip_invalid" doc:"load the good rows, and keep the others in the batch as invalid"`
	Force       bool   `query:"force" doc:"send also rows whose target has the value already, by relabel's own record"`
	Ambiguous   string `query:"ambiguous" enum:"all,skip" doc:"what happens to names that several assets have; default: they are refused"`
	LocaleNames string `query:"names_in_locales" enum:"keep,drop,refuse" doc:"what happens to names in secondary locales, which may rename the asset for every locale; default: keep"`
	Map         string `query:"map" maxLength:"4000" doc:"columns under other names: asset_id=Ref,display_name=New name"`
	Empty       string `query:"empty" maxLength:"100" doc:"the cell of a CSV that empties an alt text; default: [empty]"`
	Key         string `header:"Idempotency-Key" maxLength:"200" doc:"the same key with the same parameters and body gives the same batch"`

	w http.ResponseWriter
	r *http.Request
}

// Resolve implements huma.Resolver. It keeps the request, whose body is not read into
// memory.
func (in *loadInput) Resolve(ctx huma.Context) []error {
	in.r, in.w = humago.Unwrap(ctx)
	return nil
}

// loaded is a batch, with what was wrong with its rows.
type loaded struct {
	Problems []report.ProblemView `json:"problems,omitempty" doc:"wrong rows: the first of them"`
	report.Batch
}

type loadOutput struct {
	Status   int
	Location string `header:"Location" doc:"the batch"`
	Replayed string `header:"Idempotency-Replayed" doc:"true: the key was used before, and this is its batch"`
	Body     loaded
}

func (s *Server) registerLoads() {
	s.registerLoad(huma.Operation{
		OperationID: "load-batch", Path: batchesPath, Summary: "Load rows and queue them",
		Description: "The batch is stored whole or not at all. If the rows have the field expected_name, the site is read first.",
	}, s.enqueue)
	s.registerLoad(huma.Operation{
		OperationID: "load-plan", Path: plansPath, Summary: "Load rows as a plan, which sends nothing until it is applied",
		Description: "The site is read in the background, as GET " + batchesPath + "/{batch}/plan shows.",
	}, s.plan)
}

func (s *Server) registerLoad(op huma.Operation, do func(context.Context, *loadInput, usecase.LoadParams) (int64, error)) {
	op.Method, op.DefaultStatus, op.Errors = http.MethodPost, http.StatusCreated, loadErrors()
	register(s, op, func(ctx context.Context, in *loadInput) (*loadOutput, error) { return s.load(ctx, in, do) })
	text := &huma.Schema{Type: huma.TypeString}
	rows := s.api.OpenAPI().Components.Schemas.Schema(typeOfRows(), true, "")
	rows.Nullable = false
	post := s.api.OpenAPI().Paths[op.Path].Post // after Register, so that huma does not read the body
	post.RequestBody = &huma.RequestBody{Required: true, Description: "The rows: docs/formats.md describes their columns.", Content: map[string]*huma.MediaType{
		"text/csv": {Schema: text, Example: "asset_id,display_name\n63f1a2b3c4d5e6f708192a3b,hero.jpg\n"}, "application/json": {Schema: rows},
	}}
	post.Responses["200"] = &huma.Response{Description: "The batch of an earlier request with the same key", Content: post.Responses["201"].Content, Headers: post.Responses["201"].Headers}
}

// upload is the body of a load. It is read once, as the load wants it, and hashed meanwhile.
type upload struct {
	io.Reader
	sum  hash.Hash
	json bool
}

func (s *Server) open(in *loadInput) (*upload, error) {
	kind, _, err := mime.ParseMediaType(in.r.Header.Get("Content-Type"))
	if err != nil || kind != "text/csv" && kind != "application/json" {
		return nil, newProblem(http.StatusUnsupportedMediaType, "send the rows as text/csv or as application/json, and say so in Content-Type")
	}
	isJSON := kind == "application/json"
	if packed := in.r.Header.Get("Content-Encoding"); packed != "" && (isJSON || packed != "gzip") { // intake unpacks a CSV
		return nil, newProblem(http.StatusUnsupportedMediaType, "a Content-Encoding is understood for a CSV only, and only gzip: send the rows without it")
	}
	body := http.MaxBytesReader(in.w, pace.NewReader(in.w, in.r), s.cfg.MaxBody)
	sum := sha256.New()
	fmt.Fprintf(sum, "%s?%s %s\n", in.r.URL.Path, in.r.URL.Query().Encode(), kind)
	return &upload{io.TeeReader(wholeBody{body}, sum), sum, isJSON}, nil
}

var errBrokenOff = errors.New("the body broke off: send it again")

// wholeBody says of a body that it broke off. net/http's own error is also that of a lost
// connection to the database.
type wholeBody struct{ io.Reader }

// Read implements io.Reader.
func (b wholeBody) Read(p []byte) (n int, err error) {
	if n, err = b.Reader.Read(p); errors.Is(err, io.ErrUnexpectedEOF) {
		err = errBrokenOff
	}
	return n, err
}

// hash reads the rest of the body, because a load may stop before its end.
func (u *upload) hash() ([]byte, error) {
	if _, err := io.Copy(io.Discard, u); err != nil {
		return nil, fmt.Errorf("error reading the body: %w", err)
	}
	return u.sum.Sum(nil), nil
}

func (s *Server) load(ctx context.Context, in *loadInput, do func(context.Context, *loadInput, usecase.LoadParams) (int64, error)) (*loadOutput, error) {
	site, err := s.takesRows(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	body, err := s.open(in)
	if err != nil {
		return nil, err
	}
	unlock, err := s.lockKey(ctx, in.Key) // before take: who waits here transfers nothing
	if err != nil {
		return nil, err
	}
	defer unlock()
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if out, err := s.replay(ctx, in, body); out != nil || err != nil {
		return out, err
	}
	out := &loadOutput{Status: http.StatusCreated}
	id, err := do(ctx, in, s.params(in, body, site, out))
	if errors.Is(err, db.ErrKeyTaken) {
		return s.replay(ctx, in, body)
	}
	if err != nil {
		return nil, s.refusedRows(err, out.Body.Problems)
	}
	return out, s.fill(ctx, out, id)
}

// takesRows finds a site that rows can be loaded for.
func (s *Server) takesRows(ctx context.Context, name string) (db.Site, error) {
	site, err := s.site(ctx, name)
	if err == nil && s.cfg.StandIn != nil && s.cfg.StandIn(name) {
		return site, newProblem(http.StatusConflict, "site "+name+" is one of `relabel demo` or of a rehearsal, and takes no rows")
	}
	return site, err
}

// params are how to load the body. Wrong rows are listed in out.
func (s *Server) params(in *loadInput, body *upload, site db.Site, out *loadOutput) usecase.LoadParams {
	t := callerOf(in.r.Context())
	p := usecase.LoadParams{
		Site: site, Source: usecase.Source{Input: body, JSON: body.json, InputName: source, Map: in.Map, Empty: in.Empty},
		Name: in.Name, Priority: in.Priority, SkipInvalid: in.SkipInvalid, Force: in.Force,
		Ambiguous: in.Ambiguous, LocaleNames: in.LocaleNames, MaxRows: s.cfg.MaxRows,
		Problem: func(p intake.Problem) {
			if len(out.Body.Problems) < shownProblems {
				out.Body.Problems = append(out.Body.Problems, report.NewProblemView(p))
			}
		},
	}
	if strings.TrimSpace(p.Name) == "" {
		p.Name = t.Name
	}
	p.Stored = func(ctx context.Context, tx pgx.Tx, l usecase.Loaded) error {
		return keepKey(ctx, tx, in, body, l.BatchID)
	}
	return p
}

// keepKey stores the key in the transaction of its batch: both are stored, or neither.
func keepKey(ctx context.Context, tx pgx.Tx, in *loadInput, body *upload, id int64) error {
	if in.Key == "" {
		return nil
	}
	sum, err := body.hash()
	if err != nil {
		return err
	}
	return db.KeepKey(ctx, tx, db.APIKey{Token: callerOf(in.r.Context()).ID, Key: in.Key, Hash: sum, Batch: id})
}

// replay answers with the batch of a key that was used before. It returns nil for a new key.
func (s *Server) replay(ctx context.Context, in *loadInput, body *upload) (*loadOutput, error) {
	if in.Key == "" {
		return nil, nil //nolint:nilnil // nothing to replay is no error
	}
	key, err := s.cfg.DB.FindKey(ctx, callerOf(ctx).ID, in.Key)
	if err != nil || key == nil {
		return nil, err
	}
	sum, err := body.hash()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(sum, key.Hash) {
		return nil, newProblem(http.StatusUnprocessableEntity, fmt.Sprintf("this Idempotency-Key was used for batch %d, with another body or other parameters: send a new key with new rows", key.Batch))
	}
	if err := s.finish(ctx, in, key.Batch); err != nil {
		return nil, err
	}
	out := &loadOutput{Status: http.StatusOK, Replayed: "true"}
	return out, s.fill(ctx, out, key.Batch)
}

// finish completes a load whose server was killed, or lost the database, before the rows
// were queued. Without it, a client that sends the same again would wait for ever for rows
// that nobody queues.
func (s *Server) finish(ctx context.Context, in *loadInput, batch int64) error {
	b, err := s.read(ctx, batch)
	if err != nil || b.Status != db.BatchPlanned || in.r.URL.Path != batchesPath {
		return err
	}
	ctx, cancel := s.cfg.With(ctx)
	defer cancel()
	return ended(s.cfg.Use.FinishEnqueue(ctx, actor(ctx), batch, noProgress()))
}

// ended judges the error of a load that another server, which got the same key, has
// finished or given up meanwhile.
func ended(err error) error {
	if errors.Is(err, db.ErrNotPlanned) {
		return nil
	}
	if _, dropped := errors.AsType[db.NoBatchError](err); dropped {
		return newProblem(http.StatusServiceUnavailable, "another request with this Idempotency-Key has given up: send the same again").after(keyRetry)
	}
	return err
}

func (s *Server) fill(ctx context.Context, out *loadOutput, id int64) (err error) {
	out.Location = fmt.Sprintf("%s/%d", batchesPath, id)
	out.Body.Batch, err = s.read(ctx, id)
	return err
}

// refusedRows adds to an error which rows were wrong.
func (s *Server) refusedRows(err error, rows []report.ProblemView) error {
	p := s.problem(err)
	if _, refused := errors.AsType[*usecase.RefusedError](err); refused {
		p.Problems = rows
	}
	return p
}

// enqueue goes on when the client leaves: a reading takes minutes, and a client that gave
// up waiting finds its end with the same key. A body that breaks off still ends the load.
func (s *Server) enqueue(ctx context.Context, _ *loadInput, p usecase.LoadParams) (int64, error) {
	ctx, cancel := s.cfg.With(ctx)
	defer cancel()
	id, err := s.cfg.Use.Enqueue(ctx, actor(ctx), p, false, noProgress())
	return id, ended(err)
}

func (s *Server) plan(ctx context.Context, _ *loadInput, p usecase.LoadParams) (int64, error) {
	p.Planned = true
	res, err := s.cfg.Use.Load(ctx, actor(ctx), p)
	if err == nil {
		s.cfg.Plans.Compare(p.Site, res)
	}
	return res.BatchID, err
}

// noProgress is for readings that nobody watches.
func noProgress() siteread.Params { return siteread.Params{} }
