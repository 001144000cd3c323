package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"relabel/internal/config"
	"relabel/internal/outward"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

const (
	// maxSource is the largest CSV that is read from a URL: twice 5,000,000 rows of
	// a hundred bytes.
	maxSource int64 = 1 << 30

	// sourceTimeout bounds the whole download: the load's transaction stays open
	// meanwhile.
	sourceTimeout = 15 * time.Minute

	// SourceAllowPrivate names the variable that lets a worker read from private addresses.
	SourceAllowPrivate = "RELABEL_SOURCE_ALLOW_PRIVATE"

	// DefaultSourceEnv names the variable with the URL of the database to read from.
	DefaultSourceEnv = "RELABEL_SOURCE_URL"
)

// Sources opens what schedules read their rows from, as far as the environment of this
// process allows. A schedule's row is only as trustworthy as those who can write to the
// database.
type Sources struct {
	SourceDirs     config.Folders
	AllowSourceEnv func(variable string) error
	CommandEnv     func() []string // what commands get of the environment
	LookupEnv      func(string) (string, bool)

	maxSource     int64         // 0: maxSource
	sourceTimeout time.Duration // 0: sourceTimeout
}

// open opens the source of a schedule. Call the returned function at the end.
func (e Sources) open(ctx context.Context, s scheduledb.Schedule) (usecase.Source, func(), error) {
	src := usecase.Source{
		SQL: text.Deref(s.Query), SQLFile: text.Deref(s.QueryFile), Map: text.Deref(s.ColumnMap), Sheet: text.Deref(s.Sheet), Empty: text.Deref(s.EmptyMarker), Open: e.SourceDirs.Open,
	}
	switch {
	case s.CSV != nil && outward.IsURL(*s.CSV):
		body, err := e.fetch(ctx, *s.CSV)
		if err != nil {
			return src, nil, fmt.Errorf("%s can't be read: %w", outward.ShownURL(*s.CSV), err)
		}
		src.Input, src.InputName = body, outward.ShownURL(*s.CSV)
		return src, func() { _ = body.Close() }, nil // only read from
	case s.CSV != nil:
		src.Path = *s.CSV
	case s.Command != nil:
		if err := e.allowCommand(); err != nil {
			return src, nil, err
		}
		src.Command, src.Shell, src.Env = *s.Command, s.Shell, e.CommandEnv()
	case s.SourceURL != nil:
		src.URL, src.SafeURL = *s.SourceURL, true
	default:
		name := text.Deref(s.SourceEnv)
		if err := e.AllowSourceEnv(name); err != nil {
			return src, nil, err
		}
		src.URL, _ = e.LookupEnv(name)
		if src.URL == "" {
			return src, nil, fmt.Errorf("set the variable %s to the URL of the database to read from, in the worker's environment", name)
		}
	}
	return src, func() {}, nil
}

// fetch begins to download a CSV. Reading fails if it is too large or takes too long.
func (e Sources) fetch(ctx context.Context, url string) (io.ReadCloser, error) {
	allow := e.allowed(SourceAllowPrivate)
	if _, err := outward.ParseURL(url, allow, SourceAllowPrivate); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, outward.ErrNoURL
	}
	req.Header.Set("Accept", "text/csv, */*;q=0.5")
	resp, err := outward.NewClient(allow, SourceAllowPrivate, cmp.Or(e.sourceTimeout, sourceTimeout)).Do(req)
	if err != nil {
		return nil, outward.WithoutURL(err, SourceAllowPrivate)
	}
	if err := checkAnswer(resp); err != nil {
		_ = resp.Body.Close() // it was not read
		return nil, err
	}
	limit := cmp.Or(e.maxSource, maxSource)
	return &boundedBody{ReadCloser: resp.Body, left: limit, limit: limit}, nil
}

func checkAnswer(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" {
		return errors.New("the answer is a web page (text/html), not a CSV: is the file shared with everybody who has the link?")
	}
	return nil
}

// boundedBody fails beyond the limit: a source that was cut off must not pass for
// a whole one.
type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	switch {
	case b.left < 0:
		return 0, fmt.Errorf("more than %d MiB", b.limit>>20)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, errors.New("the answer broke off before its end")
	case err != nil && !errors.Is(err, io.EOF):
		// Only its text: errors.Is must not see a broken database connection.
		return n, errors.New("the answer broke off: " + outward.WithoutURL(err, SourceAllowPrivate).Error())
	}
	return n, err
}

func (e Sources) allowed(variable string) bool {
	v, _ := e.LookupEnv(variable)
	return v == "1" || v == "true"
}
