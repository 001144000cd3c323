package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/pace"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Title    string               `json:"title" doc:"the status in words"`
	Status   int                  `json:"status"`
	Detail   string               `json:"detail,omitempty" doc:"what happened, and what to do"`
	Errors   []*huma.ErrorDetail  `json:"errors,omitempty" doc:"wrong parameters"`
	Problems []report.ProblemView `json:"problems,omitempty" doc:"wrong rows: the first of them"`

	header http.Header
}

func newProblem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

func notFound(detail string) *Problem { return newProblem(http.StatusNotFound, detail) }

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// write answers with the problem outside of an operation, where huma does not.
func (p *Problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(p) // the client may be gone
}

// Refuse answers a request that did not get as far as an operation.
func Refuse(w http.ResponseWriter, status int, detail string) { newProblem(status, detail).write(w) }

// ownProblems turns huma's own errors, which are about parameters, into problems.
func ownProblems(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(e.Status, e.Detail)
	p.Errors = e.Errors
	var parts []string
	for _, one := range e.Errors {
		if strings.HasPrefix(one.Message, "invalid date/time") { // huma's message has Go's pattern of a time
			one.Message = "write a time as 2026-11-27T09:00:00Z"
		}
		parts = append(parts, one.Location+": "+one.Message)
	}
	if len(parts) > 0 {
		p.Detail = "the request is wrong: " + strings.Join(parts, "; ")
	}
	return p, nil
}

// problem turns an error of an operation into an answer.
func (s *Server) problem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	status := statusOf(err)
	switch {
	case errors.Is(err, context.Canceled): // the client has gone, or the server stops
		return newProblem(status, "relabel is stopping: send the same again in a moment").after(10 * time.Second)
	case status == http.StatusInternalServerError:
		s.cfg.Logger.Error("an operation of the API failed", "error", err)
		return newProblem(status, "relabel failed: its log has the reason") // which may be SQL, and the caller a stranger
	case status == http.StatusServiceUnavailable:
		s.cfg.Logger.Warn("an operation of the API failed because the database does not answer", "error", err)
		return newProblem(status, "the database does not answer: send the same again in a moment").after(10 * time.Second)
	}
	return newProblem(status, text.OneLine(sentence(err)+advice(err)))
}

// sentence returns the text of an error, reworded for clients of HTTP where needed.
func sentence(err error) string {
	large := (*http.MaxBytesError)(nil)
	switch {
	case errors.As(err, &large):
		return fmt.Sprintf("the body is larger than %s MB: send it in parts, or start `relabel serve` with a larger --max-upload", text.Number(large.Limit>>20))
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("the body stalled, or came slower than %s bytes a second: send it again", text.Number(pace.SlowestRate))
	}
	return strings.TrimPrefix(err.Error(), "error ")
}

// statusOf is the HTTP status of an error.
func statusOf(err error) int {
	read, api := (*usecase.ReadError)(nil), (*webflow.Error)(nil)
	_, noBatch := errors.AsType[db.NoBatchError](err)
	_, large := errors.AsType[*http.MaxBytesError](err)
	_, database := errors.AsType[*pgconn.PgError](err)
	switch {
	case noBatch, errors.Is(err, db.ErrNoSite), errors.Is(err, scheduledb.ErrNoSchedule):
		return http.StatusNotFound
	case large:
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.Is(err, context.Canceled), pg.Transient(err), errors.Is(err, pg.ErrCommitUnknown), pg.LostConnection(err):
		return http.StatusServiceUnavailable
	case database:
		return http.StatusInternalServerError
	case errors.As(err, &read), errors.As(err, &api):
		return http.StatusBadGateway
	case isConflict(err):
		return http.StatusConflict
	case isRefusal(err):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

// isConflict reports errors about the state of a batch or of relabel's settings.
func isConflict(err error) bool {
	plan, ended, state := (*usecase.IsPlanError)(nil), (*usecase.EndedError)(nil), (*db.BatchStateError)(nil)
	site := (*siteread.NoSiteError)(nil)
	for _, known := range []error{db.ErrNotPlanned, ErrReading, config.ErrNoToken, config.ErrBadToken, config.ErrNotAllowed, siteread.ErrMayNotRead} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &plan) || errors.As(err, &ended) || errors.As(err, &state) || errors.As(err, &site)
}

// isRefusal reports errors about the content of the request. Whatever ends a load counts as
// one, unless statusOf has recognised it as something else before.
func isRefusal(err error) bool {
	refused, none, many := (*usecase.RefusedError)(nil), (*usecase.NoRowsError)(nil), (*usecase.TooManyRowsError)(nil)
	mapping, names, notDone := (*usecase.MapError)(nil), (*usecase.LocaleNamesError)(nil), (*usecase.NotDoneError)(nil)
	setting, source := (*usecase.SettingError)(nil), (*usecase.SourceError)(nil)
	_, filter := errors.AsType[records.FilterError](err)
	return filter || errors.As(err, &refused) || errors.As(err, &none) || errors.As(err, &many) || errors.As(err, &mapping) ||
		errors.As(err, &names) || errors.As(err, &notDone) || errors.As(err, &setting) || errors.As(err, &source)
}

// advice is what a client can do about an error, in terms of the API.
func advice(err error) string {
	plan, refused, unknown := (*usecase.IsPlanError)(nil), (*usecase.RefusedError)(nil), (*db.LoadUnknownError)(nil)
	_, noBatch := errors.AsType[db.NoBatchError](err)
	site := (*siteread.NoSiteError)(nil)
	switch {
	case errors.As(err, &refused):
		return ": fix " + text.ItThem(refused.Rows) + ", or load the others with skip_invalid=true" + ambiguousAdvice(*refused)
	case errors.As(err, &plan):
		return fmt.Sprintf("; POST %s/batches/%d/apply sends it, POST %[1]s/batches/%[2]d/cancel discards it", Prefix, plan.Batch)
	case errors.As(err, &unknown):
		return "; send it again with the same Idempotency-Key"
	case errors.As(err, &site):
		return report.SiteIDAdvice(site.Site)
	case usecase.IsKeptNames(err):
		return "; names_in_locales=drop or refuse prevents that"
	case errors.Is(err, db.ErrNotPlanned):
		return "; POST " + plansPath + " makes one"
	case errors.Is(err, db.ErrNoSite):
		return "; GET " + Prefix + "/sites lists those that exist"
	case errors.Is(err, scheduledb.ErrNoSchedule):
		return "; GET " + Prefix + "/schedules lists those that exist"
	case noBatch:
		return "; GET " + batchesPath + " lists those that exist"
	}
	return ""
}

func ambiguousAdvice(e usecase.RefusedError) string {
	if e.Ambiguous == 0 {
		return ""
	}
	return "; ambiguous=all renames all assets of a name, ambiguous=skip leaves out such rows"
}
