// Package db owns the tables of sites, batches, rows and limits, and the statements that
// change them.
//
// Open returns a DB: the connections of package pg, with one method for each thing that is read or
// changed. Load stores a batch, Compare and Apply turn a plan into an active batch,
// Feed, Claim and Finish move its rows, Grant and Observe keep the rate limit, and
// RetryRows, CancelRows and CancelBatch do what a person asks for. Package records reads
// for people, and package scheduledb keeps schedules; both build on this one.
//
// The words that are stored (RowStatus, BatchStatus, ...) are in words.go. Long
// statements are files of sql/, with the parts that they share in sql/fragments.
//
// Three rules hold everywhere. All times come from the database's clock: what a
// process measures, such as how long ago an answer arrived, is passed as a duration.
// Rows are locked by id, then batches by id, so that no two statements wait for each
// other. Whatever changes a row's status also changes its batch's counters, in the
// same statement (fragment moves).
package db

import (
	"context"
	"embed"
	"time"

	"relabel/internal/pg"
)

// MaxCallTime is the longest that a call may be given: a lease is little longer, and its
// renames must go on within 90 s of a crash.
const MaxCallTime = time.Minute

// DB is a pool of connections to relabel's tables.
type DB struct {
	*pg.DB

	acceptChunk, cancelChunk int // rows
}

// Open connects, and fails at once when the database can't be reached.
func Open(ctx context.Context, cfg pg.Config) (*DB, error) {
	conns, err := pg.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &DB{DB: conns, acceptChunk: acceptChunk, cancelChunk: cancelChunk}, nil
}

//go:embed sql
var sqlFiles embed.FS

// statements are the files of sql/ by name.
var statements = pg.ReadStatements(sqlFiles) //nolint:gochecknoglobals // never changes: text that is part of the program

// statement returns the text of sql/NAME.sql or sql/fragments/NAME.sql. TestStatements
// checks that each name in use has a file.
func statement(name string) string { return statements[name] }
