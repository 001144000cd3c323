package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"riverqueue.com/riverui"

	"relabel/db"
)

// riverPrefix is where River UI is.
const riverPrefix = "/river"

// riverUI is River's own UI. It has no login and checks nothing: all that is
// done for it by who stands before it.
type riverUI struct {
	handler *riverui.Handler
	script  string // the address of river.js
}

func newRiverUI(cfg Config) (riverUI, error) {
	h, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(cfg.Client, nil), Logger: cfg.Logger, Prefix: riverPrefix,
	})
	if err != nil {
		return riverUI{}, fmt.Errorf("error setting up River UI: %w", err)
	}
	st, err := readStatic()
	return riverUI{handler: h, script: st.url("river.js")}, err
}

func (u riverUI) start(ctx context.Context) error {
	if err := u.handler.Start(ctx); err != nil {
		return fmt.Errorf("error starting River UI: %w", err)
	}
	return nil
}

// ServeHTTP puts a script of ours before River UI's own: the latter sends JSON
// as text/plain, which any other web page could send as well.
func (u riverUI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, riverPrefix+"/api/") || strings.HasPrefix(r.URL.Path, riverPrefix+"/assets/") {
		u.handler.ServeHTTP(w, r)
		return
	}
	r.Header.Del("Range") // the script goes into whole pages
	out := &recorder{header: w.Header()}
	u.handler.ServeHTTP(out, r)
	body := out.body.Bytes()
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		body = bytes.Replace(body, []byte("<head>"), []byte(`<head><script src="`+u.script+`"></script>`), 1)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(max(out.status, http.StatusOK))
	_, _ = w.Write(body) // who asked may be gone
}

// recorder keeps an answer, so that it can be added to.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// changeRiver passes on a change of jobs or queues, with a row in the audit log.
func (s *Server) changeRiver(w http.ResponseWriter, r *http.Request) {
	if !isJSON(r) {
		http.Error(w, "this takes Content-Type: application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "this request is too large", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	entry := db.AuditEntry{
		Who: current(r).who, Via: "river ui", Action: r.Method + " " + strings.TrimPrefix(r.URL.Path, riverPrefix), Detail: jobIDs(body),
	}
	out := &recorder{header: w.Header()}
	err = s.cfg.DB.Audit(r.Context(), entry, func(context.Context) (int64, error) {
		s.river.handler.ServeHTTP(out, r)
		if out.status >= http.StatusBadRequest {
			return -1, fmt.Errorf("it was answered with %d", out.status)
		}
		return countJobs(body), nil
	})
	if err != nil && out.status == 0 {
		s.cfg.Logger.Error("a change through River UI failed", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(max(out.status, http.StatusOK))
	_, _ = w.Write(out.body.Bytes()) // who asked may be gone
}

func readIDs(body []byte) ([]json.RawMessage, error) {
	var in struct {
		IDs []json.RawMessage `json:"ids"`
	}
	if json.Unmarshal(body, &in) != nil || in.IDs == nil {
		return nil, errors.New("no ids")
	}
	return in.IDs, nil
}

// countJobs is how many jobs a request names, or -1 when it names none.
func countJobs(body []byte) int64 {
	ids, err := readIDs(body)
	if err != nil {
		return -1
	}
	return int64(len(ids))
}

// jobIDs names the first jobs of a request.
func jobIDs(body []byte) string {
	const shown = 20 // enough to know which ones were meant
	ids, err := readIDs(body)
	if err != nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("jobs")
	for i, id := range ids {
		if i == shown {
			b.WriteString(" …")
			break
		}
		n, err := strconv.ParseInt(strings.Trim(string(id), `"`), 10, 64)
		if err == nil {
			fmt.Fprintf(&b, " %d", n)
		}
	}
	return b.String()
}
