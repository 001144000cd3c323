// Package retention owns how long relabel keeps what has ended, and deletes what is older.
//
// Prune deletes what Params choose, table by table: rows and their batches, attempts,
// events, runs of schedules and their notices, readings of assets that left their site,
// and the audit log. With Params.DryRun it only counts; with Params.Archive it
// writes what goes to compressed CSV files first. Keeper prunes the sites that have a
// setting keep, inside `relabel work`, and writes what went to the audit log. With
// Params.Whole everything of a site goes, before `relabel site remove` deletes the site.
//
// Of each target the newest rows stay, however old: a load needs them to find out that
// the target has the value already, an undo to put back the value before, and a retry
// to see that a newer row exists. The rule is the function needless (rule.go).
//
// Rules lists every table of relabel's with what becomes of it. A test fails when a
// table has no rule.
//
// Everything goes in chunks: a chunk is found without locks, written to the archive if
// there is one, and deleted in a short transaction that checks again what may have
// changed since. The size of the chunks follows the time that these transactions take.
package retention

import (
	"context"
	"embed"
	"slices"
	"strconv"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/text"
)

//go:embed sql
var sqlFiles embed.FS

// statements are the files of sql/ by name.
var statements = pg.ReadStatements(sqlFiles) //nolint:gochecknoglobals // never changes: text that is part of the program

// statement returns the text of sql/NAME.sql.
func statement(name string) string { return statements[name] }

// Params choose what to delete.
type Params struct {
	DB     *db.DB
	SiteID int
	Shared bool      // also what belongs to no site: the audit log, events of tokens
	Before time.Time // what ended before, by the database's clock
	Batch  int64     // only this batch, with its rows and attempts; 0: everything of the site
	Whole  bool      // all that has ended of the site, the newest rows too: it is to be removed
	DryRun bool      // only count

	// Recheck leaves out batches whose rows were examined less long ago; 0: none. An old
	// batch's rows only change by getting newer ones, so workers don't read all of them
	// every hour.
	Recheck time.Duration

	Archive *Archive // what goes is written to it before it is deleted; nil: nowhere
}

// Count is how many rows of one table went.
type Count struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Prune deletes what the params choose, and returns how many rows of each table went.
// After an error it has deleted what it returns; the same call continues with the rest.
func Prune(ctx context.Context, p Params) ([]Count, error) {
	return newRun(p).all(ctx)
}

func (r *run) all(ctx context.Context) (counts []Count, err error) {
	if r.began, err = r.DB.Now(ctx); err != nil {
		return nil, err
	}
	if r.began.Before(r.Before) {
		r.Before = r.began // what ends meanwhile is left to the next run
	}
	switch {
	case r.Whole:
		return r.whole(ctx)
	case r.Batch != 0:
		return r.steps(ctx, nil, attempts, r.renames, r.batches)
	}
	return r.steps(ctx, nil, attempts, r.renames, notices, runs, r.batches, events, states, audits)
}

// steps takes steps, and adds what went to counts.
func (r *run) steps(ctx context.Context, counts []Count, steps ...step) ([]Count, error) {
	for _, s := range steps {
		t, find := s(r)
		n, err := r.prune(ctx, t, find)
		counts = Add(counts, []Count{{t.name, n}})
		if err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// Total is how many rows went of all tables.
func Total(counts []Count) (n int64) {
	for _, c := range counts {
		n += c.Rows
	}
	return n
}

// Text lists how many rows went of each table: 3 of rename, 1 of batch.
func Text(counts []Count) string {
	var parts []string
	for _, c := range counts {
		if c.Rows > 0 {
			parts = append(parts, text.Number(c.Rows)+" of "+c.Table)
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// parseText reads what Text has written.
func parseText(list string) (counts []Count) {
	for part := range strings.SplitSeq(list, ", ") {
		number, table, _ := strings.Cut(part, " of ")
		if n, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 64); err == nil {
			counts = append(counts, Count{table, n})
		}
	}
	return counts
}

// Add adds counts table by table.
func Add(all, more []Count) []Count {
	for _, m := range more {
		at := slices.IndexFunc(all, func(c Count) bool { return c.Table == m.Table })
		if at < 0 {
			all = append(all, m)
			continue
		}
		all[at].Rows += m.Rows
	}
	return all
}
