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

	"relabel/internal/records"
)

// riverPrefix is the path of River UI.
const riverPrefix = "/river"

// riverUI is River's own UI. It has no authentication of its own; guard and
// forRole protect it.
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

// ServeHTTP adds our script to River UI's pages. Without it, River UI sends JSON
// as text/plain, which any other web page could send, too.
func (u riverUI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, riverPrefix+"/api/") || strings.HasPrefix(r.URL.Path, riverPrefix+"/assets/") {
		u.handler.ServeHTTP(w, r)
		return
	}
	r.Header.Del("Range") // the script needs the whole page
	out := &recorder{header: w.Header()}
	u.handler.ServeHTTP(out, r)
	body := out.body.Bytes()
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		body = bytes.Replace(body, []byte("<head>"), []byte(`<head><script src="`+u.script+`"></script>`), 1)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(max(out.status, http.StatusOK))
	_, _ = w.Write(body) // the browser may be gone
}

// recorder holds an answer, so that it can be changed before it is sent.
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

// changeRiver passes a change of jobs or queues to River UI, and records it in the
// audit log.
func (s *Server) changeRiver(w http.ResponseWriter, r *http.Request) {
	if !isJSON(r) {
		http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "this request is too large", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	entry := records.AuditEntry{
		Who: current(r).from, Person: current(r).name, Via: "river ui", Action: r.Method + " " + strings.TrimPrefix(r.URL.Path, riverPrefix), Detail: jobIDs(body),
	}
	out := &recorder{header: w.Header()}
	err = records.Audit(r.Context(), s.cfg.DB, entry, func(context.Context) (int64, error) {
		s.river.handler.ServeHTTP(out, r)
		if out.status >= http.StatusBadRequest {
			return -1, fmt.Errorf("answered with %d by River UI", out.status)
		}
		return countJobs(body), nil
	})
	if err != nil && out.status == 0 {
		s.cfg.Logger.Error("a change through River UI failed", "error", err)
		http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(max(out.status, http.StatusOK))
	_, _ = w.Write(out.body.Bytes()) // the browser may be gone
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

// countJobs returns how many jobs a request names, or -1 for none.
func countJobs(body []byte) int64 {
	ids, err := readIDs(body)
	if err != nil {
		return -1
	}
	return int64(len(ids))
}

// jobIDs lists the first jobs that a request names.
func jobIDs(body []byte) string {
	const shown = 20 // enough to recognise the request
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
