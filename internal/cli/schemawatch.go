package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/pg"
)

// usable fails if this program may not use the database's schema. It warns of a newer one
// that it may use.
func (a *app) usable(st pg.MigrationStatus) error {
	if err := st.Check(); err != nil {
		return err
	}
	if st.Ahead() {
		a.log.Warn(st.Newer() + ": it goes on; upgrade it soon")
	}
	return nil
}

// whileUsable runs a command. If somebody migrates the database meanwhile and this program
// may not use the new schema, the command stops as at a signal, and fails.
func (a *app) whileUsable(ctx context.Context, s *session, fn func(context.Context, *session) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { a.watchSchema(ctx, s, stop) })
	err := fn(ctx, s)
	stop(nil)
	watch.Wait()
	if old, ok := errors.AsType[*pg.SchemaError](context.Cause(ctx)); ok {
		return old
	}
	return err
}

// watchSchema looks as often as a worker records its heartbeat. Without the database it
// looks again later.
func (a *app) watchSchema(ctx context.Context, s *session, stop context.CancelCauseFunc) {
	tick := time.NewTicker(db.HeartbeatEvery)
	defer tick.Stop()
	seen := s.schema
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st := seen
		if err := s.ReadSchema(ctx, &st); err != nil || st == seen {
			continue
		}
		seen = st
		if err := a.usable(st); errors.As(err, new(*pg.SchemaError)) {
			stop(err)
			return
		}
	}
}
