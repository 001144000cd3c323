package records

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// A search reads rows in the order of one index, in chunks. Conditions that no index
// serves, such as a part of a name, are compared row by row. So a page examines a limited
// number of rows, says how many, and the next page goes on from there. An index of parts
// of texts would make searches faster, and loading several times slower.
const (
	// maxLook is how many rows a page examines: within 150 ms.
	maxLook = 50_000

	// The first chunk is small, as most pages are full soon. Later ones are large, as
	// each costs a round trip.
	firstChunk, lastChunk = 1000, 25_000

	// maxJobs is how many River jobs of one state are read: more than a site has waiting,
	// and more than 600 calls a minute leave behind in an hour.
	maxJobs = 50_000

	// jobKind is the kind of the River jobs that send rows.
	jobKind = "rename"
)

// scope is what the batches' counters say about a filter, before any row is read.
type scope struct {
	Batches  int64          // that there are of it
	Lo, Hi   int64          // bounds of the ids of rows that it may choose
	Total    int64          // rows of its batches
	Matching int64          // of those, rows in its statuses
	Present  []db.RowStatus // those of its statuses that any row has
}

func readScope(ctx context.Context, d *db.DB, f RowFilter, siteID int) (scope, error) {
	list, err := pg.Collect[scope](ctx, d.Pool(), "reading the batches' counters", `
		SELECT count(*) AS batches, coalesce(min(b.first_id) FILTER (WHERE m.n > 0), 1) AS lo,
			coalesce(max(b.last_id) FILTER (WHERE m.n > 0), 0) AS hi,
			coalesce(sum(b.total), 0)::bigint AS total, coalesce(sum(m.n), 0)::bigint AS matching, `+presentOf(f.Statuses)+` AS present
		FROM batch b CROSS JOIN LATERAL (SELECT `+countersOf(f.Statuses)+` AS n) m WHERE `+f.batches(),
		pgx.NamedArgs{"batch": f.Batch, "site": siteID})
	if err != nil || len(list) != 1 {
		return scope{}, err
	}
	return list[0], nil
}

// batches returns the part of the filter about batches b, as an SQL condition.
func (f RowFilter) batches() string {
	where := "true"
	if f.Batch != 0 {
		where += " AND b.id = @batch"
	}
	if f.Site != "" {
		where += " AND b.site_id = @site"
	}
	if f.batchIs != "" {
		where += " AND " + f.batchIs
	}
	return where
}

// countersOf sums the counters of statuses; none means all.
func countersOf(statuses []db.RowStatus) string {
	if len(statuses) == 0 {
		return "b.total"
	}
	var sum []string
	for _, s := range db.Statuses() { // and not the filter's own words
		switch {
		case !slices.Contains(statuses, s):
		case s == db.RowPending:
			sum = append(sum, "b.total - b.ended - b.sending")
		default:
			sum = append(sum, "b."+string(s))
		}
	}
	return strings.Join(sum, " + ")
}

// presentOf lists those of the statuses that the counters have any row of.
func presentOf(statuses []db.RowStatus) string {
	list := []string{"NULL"}
	for _, s := range db.Statuses() { // and not the filter's own words
		if slices.Contains(statuses, s) {
			list = append(list, "CASE WHEN sum("+countersOf([]db.RowStatus{s})+") > 0 THEN '"+string(s)+"' END")
		}
	}
	return "array_remove(ARRAY[" + strings.Join(list, ", ") + "]::text[], NULL)"
}

// walk is a way to read rename: in the order of one index, with the conditions that the
// index serves.
type walk struct {
	name   string
	before string // CTEs
	from   string // FROM and WHERE, with what keeps to one side of the place
	at, n  string // what a place is made of, and the order; at may be empty
	desc   bool
	args   pgx.NamedArgs
}

// order sorts by the columns of a place.
func (w walk) order(at, n string, desc bool) string {
	by := n
	if desc {
		by += " DESC"
	}
	if w.at == "" {
		return by
	}
	if desc {
		at += " DESC"
	}
	return at + ", " + by
}

// inOrder sorts the rows of the walk itself.
func (w walk) inOrder() string { return w.order(w.at, w.n, w.desc) }

// sql reads a chunk: first its hits, then its last row, which is how far it came. Several
// rows may have the same place, as one line may rename several assets: WITH TIES keeps
// them together, because the next chunk begins after that place.
func (w walk) sql(hit string) string {
	at := w.at
	if at == "" {
		at = "NULL::timestamptz"
	}
	return `WITH ` + w.before + ` looked AS MATERIALIZED (
	SELECT r.id, ` + w.n + ` AS n, ` + at + ` AS at, ` + hit + ` AS hit
	FROM ` + w.from + ` ORDER BY ` + w.inOrder() + ` FETCH FIRST (@look) ROWS WITH TIES
)
(SELECT id, n, at, true AS hit, 0 AS looked, 0 AS hits FROM looked WHERE hit ORDER BY ` + w.order("at", "n", w.desc) + ` FETCH FIRST (@limit) ROWS WITH TIES)
UNION ALL
(SELECT id, n, at, false, (SELECT count(*) FROM looked), (SELECT count(*) FROM looked WHERE hit)
	FROM looked ORDER BY ` + w.order("at", "n", !w.desc) + ` LIMIT 1)`
}

// Names of walks.
//
// rename_trouble_idx has no status, not even in its predicate: PostgreSQL counts a predicate's
// columns as indexed, and a claim would be no HOT update. Instead each failed, conflicting or
// invalid row has an error.
const (
	walkAll     = "a" // by id: the primary key
	walkTrouble = "t" // by id, rows with an error: rename_trouble_idx
	walkEnded   = "e" // by end: rename_ended_idx
	walkOpen    = "o" // by line, the open rows of one batch after the other: rename_open_idx
	walkFew     = "f" // of one asset, or with a job in one state: picked first, then sorted
)

func (f RowFilter) walkName(sort RowSort) string {
	has := func(statuses ...db.RowStatus) bool { return onlyOf(f.Statuses, statuses...) }
	switch {
	case f.AssetID != "" || f.State != "":
		return walkFew
	case f.errors && sort != SortEnded:
		return walkTrouble
	case sort == SortEnded:
		return walkEnded
	case has(db.Cancellable()...):
		return walkOpen
	case f.Error != "" || f.HTTPStatus >= 400 || has(db.Bad()...): // these have an error, all of them
		return walkTrouble
	}
	return walkAll
}

// onlyOf reports whether statuses are asked for, and all of them are among these.
func onlyOf(asked []db.RowStatus, statuses ...db.RowStatus) bool {
	return len(asked) > 0 && !slices.ContainsFunc(asked, func(s db.RowStatus) bool { return !slices.Contains(statuses, s) })
}

// walk builds the walk from a place on, or from the start if it has not begun.
func (f RowFilter) walk(sort RowSort, sc scope, from place, begun bool) walk {
	w := walk{
		name: f.walkName(sort), n: "r.id", desc: sort != SortOldest,
		args: pgx.NamedArgs{"lo": sc.Lo, "hi": sc.Hi, "n": from.N, "at": from.At},
	}
	if begun && w.desc {
		w.args["hi"] = min(sc.Hi, from.N-1)
	} else if begun {
		w.args["lo"] = max(sc.Lo, from.N+1)
	}
	switch w.name {
	case walkAll:
		w.from = "rename r WHERE r.id BETWEEN @lo AND @hi"
	case walkTrouble:
		w.from = "rename r WHERE r.id BETWEEN @lo AND @hi AND r.error IS NOT NULL"
	case walkFew:
		w.before, w.from = f.picked(w.args), fromPicked+" WHERE r.id BETWEEN @lo AND @hi"
	case walkOpen:
		f.openWalk(&w, from)
	}
	if sort == SortEnded {
		f.endedWalk(&w, begun)
	}
	return w
}

// fromPicked looks up each of the few rows. OFFSET 0 keeps PostgreSQL from reading the
// whole range of ids for a join: it does not know how short the CTE is.
const fromPicked = "picked p CROSS JOIN LATERAL (SELECT * FROM rename WHERE id = p.id OFFSET 0) r"

// picked returns the CTEs that name the few rows that a filter is about.
func (f RowFilter) picked(args pgx.NamedArgs) string {
	if f.AssetID != "" {
		args["asset"] = f.AssetID
		return "picked AS MATERIALIZED (SELECT id FROM rename WHERE asset_id = @asset),"
	}
	args["state"], args["most"], args["kind"] = f.State, maxJobs, jobKind
	queue := ""
	if f.Site != "" {
		queue, args["queue"] = " AND queue = @queue", db.Site{Name: f.Site}.Queue()
	}
	return `jobs AS MATERIALIZED (
	SELECT (args->>'rename_id')::bigint AS id FROM river_job
	WHERE state = @state::text::river_job_state AND kind = @kind` + queue + ` LIMIT @most
), picked AS MATERIALIZED (SELECT DISTINCT id FROM jobs),`
}

// openWalk goes through the open rows of from.Batch.
func (f RowFilter) openWalk(w *walk, from place) {
	w.n, w.from = "r.line", "rename r WHERE r.batch_id = @of AND r.finished_at IS NULL AND r.line > @n"
	if w.desc {
		w.from = "rename r WHERE r.batch_id = @of AND r.finished_at IS NULL AND r.line < @n"
	}
	w.args["of"] = from.Batch
}

// endedWalk goes by the time of the end, the last first: of all rows, or of the few
// picked.
func (f RowFilter) endedWalk(w *walk, begun bool) {
	w.at = "r.finished_at"
	if w.name == walkFew {
		w.from = fromPicked + " WHERE r.finished_at IS NOT NULL"
	} else {
		w.from = "rename r WHERE r.finished_at IS NOT NULL"
	}
	if !f.Since.IsZero() {
		w.from, w.args["since"] = w.from+" AND r.finished_at >= @since", f.Since
	}
	if !f.Until.IsZero() {
		w.from, w.args["until"] = w.from+" AND r.finished_at < @until", f.Until
	}
	if begun {
		w.from += " AND (r.finished_at, r.id) < (@at, @n)"
	}
}

// search reads the rows of a filter, chunk by chunk.
type search struct {
	q      pg.Querier
	filter RowFilter
	sort   RowSort
	site   int
	scope  scope
	open   []int64 // batches with open rows, in order, for the walk through those
	at     place
	begun  bool
	chunk  int64
	looked int64
	hits   int64
	done   bool // no rows are left
}

// foundRow is a hit; or with Hit false the last row of a chunk.
type foundRow struct {
	ID, N        int64
	At           *time.Time
	Hit          bool
	Looked, Hits int64
}

// newSearch checks a filter, and reads what the counters know about it.
func newSearch(ctx context.Context, d *db.DB, f RowFilter, sort RowSort, cursor string) (s *search, err error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	s = &search{q: d.Pool(), filter: f, sort: sort, chunk: firstChunk}
	if f.Site != "" {
		site, err := d.SiteByName(ctx, f.Site)
		if err != nil {
			return nil, err
		}
		s.site = site.ID
	}
	if err := checkTag(ctx, d.Pool(), f.LocaleTag); err != nil {
		return nil, err
	}
	if s.scope, err = readScope(ctx, d, f, s.site); err != nil {
		return nil, err
	}
	if f.Batch != 0 && s.scope.Batches == 0 && f.batchIs == "" && f.Site == "" {
		return nil, db.NoBatchError(f.Batch)
	}
	if f.batchIs != "" && len(f.Statuses) > 0 {
		// An action reads to the end at once, so it may leave out statuses that no row
		// has: without cancelled rows an index serves a retry. A list may not do that,
		// as its next page would have another order once there is such a row.
		s.filter.Statuses = s.scope.Present
	}
	s.at.Walk = s.filter.walkName(sort)
	if s.begun = cursor != ""; s.begun {
		if s.at, err = parsePlace(cursor, s.at.Walk); err != nil {
			return nil, err
		}
	}
	// In the order of their end there are no open rows.
	s.done = s.scope.Matching == 0 || sort == SortEnded && onlyOf(f.Statuses, db.Cancellable()...)
	if s.at.Walk == walkOpen && !s.done {
		return s, s.readOpen(ctx)
	}
	return s, nil
}

// readOpen lists the batches with open rows, from the place on.
func (s *search) readOpen(ctx context.Context) error {
	open, err := pg.CollectIDs(ctx, s.q, "listing open batches", `
		SELECT b.id FROM batch b WHERE b.total > b.ended AND `+s.filter.batches()+` ORDER BY b.id`,
		pgx.NamedArgs{"batch": s.filter.Batch, "site": s.site})
	if err != nil {
		return err
	}
	s.open = open
	desc := s.sort != SortOldest
	if desc {
		slices.Reverse(s.open)
	}
	if s.begun {
		s.open = slices.DeleteFunc(s.open, func(id int64) bool { return desc && id > s.at.Batch || !desc && id < s.at.Batch })
	}
	if len(s.open) == 0 {
		s.done = true
	} else if s.open[0] != s.at.Batch || !s.begun {
		s.at = s.frontOf(s.open[0])
	}
	s.begun = true
	return nil
}

// frontOf is the place before the first open row of a batch.
func (s *search) frontOf(batch int64) place {
	p := place{Walk: walkOpen, Batch: batch, N: math.MaxInt64}
	if s.sort == SortOldest {
		p.N = -1
	}
	return p
}

// endOfWalk goes on with the next batch, where the walk is one through batches.
func (s *search) endOfWalk() {
	if len(s.open) < 2 {
		s.done = true
		return
	}
	s.open = s.open[1:]
	s.at = s.frontOf(s.open[0])
}

// next reads a chunk of at most look rows, and returns the ids of its first hits, limit at
// most, or more if the last ones have the same place. The search goes on after the last
// one returned.
func (s *search) next(ctx context.Context, look int64, limit int) ([]int64, error) {
	chunk := min(s.chunk, look)
	s.chunk = min(4*s.chunk, lastChunk)
	w := s.filter.walk(s.sort, s.scope, s.at, s.begun)
	w.args["look"], w.args["limit"], w.args["site"] = chunk, limit+1, s.site
	rows, err := pg.Collect[foundRow](ctx, s.q, "looking through rows", w.sql(s.filter.hit(w.args)), w.args)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		s.endOfWalk()
		return nil, nil
	}
	last, hits := rows[len(rows)-1], rows[:len(rows)-1]
	s.looked, s.hits, s.begun = s.looked+last.Looked, s.hits+last.Hits, true
	full := len(hits) > limit
	if full && limit > 0 {
		hits = hits[:withTies(hits, limit)]
		last = hits[len(hits)-1]
	}
	s.at.N = last.N
	if last.At != nil {
		s.at.At = *last.At
	}
	if last.Looked < chunk && !(full && limit > 0) {
		s.endOfWalk()
	}
	return idsOf(hits), nil
}

// withTies is limit, or more to keep rows of the same place together.
func withTies(hits []foundRow, limit int) int {
	for limit < len(hits) && hits[limit].N == hits[limit-1].N {
		limit++
	}
	return limit
}

// countAll counts the hits of the whole walk with one statement. Chunks would cost three
// times as much: each sorts its rows, and keeps them to find the place of the next.
func (s *search) countAll(ctx context.Context) error {
	w := s.filter.walk(s.sort, s.scope, s.at, s.begun)
	w.args["site"] = s.site
	hit := s.filter.hit(w.args)
	before := strings.TrimSuffix(strings.TrimSpace(w.before), ",")
	if before != "" {
		before = "WITH " + before
	}
	counts, err := pg.Collect[struct{ Hits, Looked int64 }](ctx, s.q, "counting rows",
		before+` SELECT count(*) FILTER (WHERE `+hit+`) AS hits, count(*) AS looked FROM `+w.from, w.args)
	for _, c := range counts {
		s.hits, s.looked = s.hits+c.Hits, s.looked+c.Looked
	}
	s.endOfWalk()
	return err
}

func idsOf(rows []foundRow) []int64 {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids
}
