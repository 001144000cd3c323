package cli

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/embedpg"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

// closeTime is the longest time for closing the private server: a fast shutdown with
// its checkpoint.
const closeTime = 20 * time.Second

// session is a command's database connection, and the private server if that is used.
type session struct {
	*db.DB
	url    string
	server *embedpg.Server
	schema pg.MigrationStatus // at the start
}

// open connects to DATABASE_URL, or starts or joins the private server and migrates
// its schema.
func (a *app) open(ctx context.Context) (s *session, err error) {
	open := a.openMigrated
	if a.cfg.DatabaseURL != "" {
		open = a.openNamed
	}
	err = a.during(ctx, a.opening(), func() error {
		s, err = open(ctx)
		return err
	})
	return s, err
}

// opening is the step in which a command waits for its database.
func (a *app) opening() string {
	if a.cfg.DatabaseURL == "" {
		return "starting the private PostgreSQL (the first start may download it, up to 30 MB)"
	}
	return "connecting to the database, which has " + text.Span(pg.ConnectTimeout) + " to answer"
}

// openMigrated starts or joins the private server, and migrates it.
func (a *app) openMigrated(ctx context.Context) (*session, error) {
	s, err := a.openPrivate(ctx)
	if err != nil {
		return nil, err
	}
	st, err := s.MigrationStatus(ctx)
	if err == nil && !st.Current() && !st.Ahead() {
		err = s.Migrate(ctx)
	}
	return a.checked(ctx, s, err)
}

func (a *app) openNamed(ctx context.Context) (*session, error) {
	d, err := db.Open(ctx, pg.Config{URL: a.cfg.DatabaseURL, Logger: a.log})
	if err != nil {
		return nil, err
	}
	return a.checked(ctx, &session{DB: d, url: a.cfg.DatabaseURL}, nil)
}

// checked closes a session whose schema this program may not use, or that already has an
// error.
func (a *app) checked(ctx context.Context, s *session, err error) (*session, error) {
	if err == nil {
		s.schema, err = s.MigrationStatus(ctx)
	}
	if err == nil {
		err = a.usable(s.schema)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openPrivate does not migrate.
func (a *app) openPrivate(ctx context.Context) (*session, error) {
	server, err := embedpg.Open(ctx, embedpg.Config{StateDir: a.cfg.StateDir, Logger: a.log})
	if err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, pg.Config{URL: server.URL(), Logger: a.log})
	if err != nil {
		_ = closeServer(server)
		return nil, err
	}
	return &session{DB: d, url: server.URL(), server: server}, nil
}

// describe says how a working database was reached.
func (s *session) describe() string {
	schema := "its schema is current"
	if s.schema.Ahead() {
		schema = "its schema is newer than this relabel, which may use it"
	}
	switch {
	case s.server != nil:
		return s.server.String() + ", " + schema
	case s.Pooled():
		return "DATABASE_URL works through a pooler in session mode, " + schema
	}
	return "DATABASE_URL works without a pooler, " + schema
}

// Close closes the pool and leaves the private server. The last command to leave stops
// the server.
func (s *session) Close() {
	s.DB.Close()
	if s.server != nil {
		_ = closeServer(s.server)
	}
}

func (s *session) view(ctx context.Context, id int64) (report.Batch, error) {
	return report.ReadBatch(ctx, s.DB, id)
}

// siteOf is the site of a batch.
func (s *session) siteOf(ctx context.Context, batch int64) (string, error) {
	b, err := records.Batch(ctx, s.DB, batch)
	return b.Site, err
}

func closeServer(s *embedpg.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return s.Close(ctx)
}

func (a *app) withSession(ctx context.Context, fn func(context.Context, *session) error) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return a.whileUsable(ctx, s, fn)
}
