package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
)

// StatementText returns a statement of sql/.
func StatementText(name string) string { return statement(name) }

// Statement is one as it is sent.
type Statement struct {
	SQL  string
	Args pgx.NamedArgs
}

// JobStatements are those behind a page, the same page from a place on, and the errors of its filter.
func JobStatements(ctx context.Context, d *db.DB, q RowQuery) (map[string]Statement, error) {
	if q.Sort == "" {
		q.Sort = q.RowFilter.Sort()
	}
	all := map[string]Statement{}
	s, err := newSearch(ctx, d, q.RowFilter, q.Sort, "")
	if err != nil || s.done {
		return all, err
	}
	add := func(name string, limit int, build func(walk, string) string) {
		w := s.filter.walk(s.sort, s.scope, s.at, s.begun)
		w.args["look"], w.args["limit"], w.args["site"] = lastChunk, limit, s.site
		all[name] = Statement{build(w, s.filter.hit(w.args)), w.args}
	}
	page := func(w walk, hit string) string { return w.sql(hit) }
	add("front", 51, page)
	if _, err := s.next(ctx, 500, 20); err != nil {
		return nil, err
	}
	add("on", 51, page)
	s.filter.errors, s.begun, s.sort = true, false, SortNewest
	if !q.Since.IsZero() || !q.Until.IsZero() {
		s.sort = SortEnded
	}
	s.at = place{Walk: s.filter.walkName(s.sort)}
	add("errors", 20, causesSQL)
	return all, nil
}

// Statements beside the looks.
const (
	RowSQL       = rowSQL
	JobStatesSQL = jobStatesSQL
	MaxRows      = maxJobs
)

// BatchesSQL returns the query for some batches, which one of the conditions below chooses.
func BatchesSQL(which string) string { return statement("batch_progress") + which }

// Conditions for BatchesSQL.
const (
	OneBatch      = `WHERE b.id = @id`
	OpenOnes      = openBatches
	NewestBatches = newestBatches
	SiteBatches   = siteBatches
)

// More statements.
const (
	WorkedSQL   = workedSQL
	TroubledSQL = troubledSQL
)

// ByIDSQL is the statement of AssetsByID.
const ByIDSQL = byIDSQL

// AssetStatement is that behind a page of assets, the first or one from the middle of 50,000 on.
func AssetStatement(ctx context.Context, d *db.DB, f AssetFilter, sort AssetSort, middle bool) (string, pgx.NamedArgs) {
	args, err := f.args(ctx, d)
	if err != nil {
		panic(err)
	}
	args["limit"] = 21
	var from *assetPlace
	if middle {
		from = &assetPlace{Sort: sort, Name: "Product photo 3", At: time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC), ID: "f"}
	}
	return assetsSQL(f, sort, from, args), args
}
