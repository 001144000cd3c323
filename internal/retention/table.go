package retention

import (
	"fmt"
	"strings"
)

// table is how rows of one table are found and deleted.
type table struct {
	name  string
	keys  []column
	where string // of t: what may go
}

type column struct{ name, kind string }

// step chooses a table, and how what may go of it is found.
type step func(*run) (table, finder)

const (
	// finishedRun is what may go of schedule_run t. A run stays while its plan is to be
	// dropped, its batch's rows are to be thinned, or it is the last of its schedule.
	finishedRun = `t.finished_at < @before::timestamptz AND NOT t.drops_plan AND (t.batch_id IS NULL OR t.thinned)
		AND t.id < (SELECT max(n.id) FROM schedule_run n WHERE n.schedule_id = t.schedule_id)
		AND t.schedule_id IN (SELECT id FROM schedule WHERE site_id = @site::integer)`

	// openBatch is whether batch b has not ended, long enough ago.
	openBatch = `(b.finished_at IS NULL OR b.finished_at >= @before::timestamptz)`

	// endedCall is what may go of attempt t; those whose row is gone belong to any site.
	endedCall = `t.sent_at < @before::timestamptz AND NOT EXISTS (
		SELECT FROM rename r JOIN batch b ON b.id = r.batch_id
		WHERE r.id = t.rename_id AND (r.site_id <> @site::integer OR r.finished_at IS NULL OR ` + openBatch + `))`
)

// ofBatch limits attempts t to a batch.
const ofBatch = ` AND t.rename_id BETWEEN (SELECT first_id FROM batch WHERE id = @batch::bigint) AND (SELECT last_id FROM batch WHERE id = @batch::bigint)
	AND EXISTS (SELECT FROM rename r WHERE r.id = t.rename_id AND r.batch_id = @batch::bigint)`

// byID is the key of most tables.
func byID() []column { return []column{{"id", "bigint"}} }

func attempts(r *run) (table, finder) {
	key := []column{{"rename_id", "bigint"}, {"fence", "integer"}}
	t := table{"attempt", append([]column{{"sent_at", "timestamptz"}}, key...), endedCall} // by attempt_sent_idx
	if r.Batch != 0 {
		t = table{"attempt", key, endedCall + ofBatch}
	}
	return t, r.finder(t)
}

func notices(r *run) (table, finder) {
	return r.simple(table{"notice", byID(), `t.created_at < @before::timestamptz AND (t.next_try_at IS NULL OR @whole::boolean)
		AND (t.site_id = @site::integer OR t.schedule_id IN (SELECT id FROM schedule WHERE site_id = @site::integer))`})
}

func runs(r *run) (table, finder) { return r.simple(table{"schedule_run", byID(), finishedRun}) }

func events(r *run) (table, finder) {
	return r.simple(table{"event", byID(), `t.at < @before::timestamptz
		AND (t.site_id = @site::integer OR @shared::boolean AND t.site_id IS NULL)
		AND NOT EXISTS (SELECT FROM batch b WHERE b.id = t.batch_id AND ` + openBatch + `)`})
}

// states finds readings of assets that left their site: a complete reading began later.
func states(r *run) (table, finder) {
	key := []column{{"site_id", "integer"}, {"locale_id", "text"}, {"asset_id", "text"}}
	return r.simple(table{"asset_state", key, `t.site_id = @site::integer AND (@whole::boolean OR t.read_at < @before::timestamptz
		AND t.read_at < (SELECT s.began_at FROM site_reading s WHERE s.site_id = t.site_id AND s.locale_id = t.locale_id))`})
}

func audits(r *run) (table, finder) {
	return r.simple(table{"audit", byID(), `@shared::boolean AND t.at < @before::timestamptz
		AND NOT EXISTS (SELECT FROM batch b WHERE 'batch ' || b.id = t.subject AND b.finished_at IS NULL)`})
}

// simple is the step of a table whose rows go by a condition alone.
func (r *run) simple(t table) (table, finder) { return t, r.finder(t) }

// Rules says of each table of relabel's what becomes of its rows.
func Rules() map[string]string {
	return map[string]string{
		"rename":         "pruned with its batch; the newest rows of a target stay",
		"batch":          "pruned when none of its rows is left, and no other batch or run refers to it",
		"attempt":        "pruned",
		"event":          "pruned",
		"audit":          "pruned; what was done to a batch that has not ended stays",
		"schedule_run":   "pruned; the last of each schedule stays",
		"notice":         "pruned when it was sent or given up",
		"asset_state":    "pruned when the asset has left the site",
		"seen":           "deleted after 90 days by the dashboard",
		"lane_grant":     "deleted when it no longer counts",
		"process":        "deleted when the process has ended",
		"site_refusal":   "deleted when the token is accepted again",
		"api_key":        "deleted with its batch",
		"api_token":      "stays, for the audit log",
		"site":           "stays",
		"site_locale":    "stays with its site",
		"breaker":        "stays with its site",
		"acceptance":     "stays with its site",
		"rule":           "stays until somebody deletes it",
		"schedule":       "stays until somebody removes it",
		"asset_folder":   "replaced by each reading of the site",
		"site_reading":   "replaced by each reading of the site",
		"lane":           "one row a token; stays",
		"schema_version": "one row; stays",
	}
}

// idKey is the key of a row by its id.
func idKey(id int64) string { return fmt.Sprintf(`{"id": %d}`, id) }

// key returns the SQL that makes a JSON object of a row's key.
func (t table) key() string {
	parts := make([]string, len(t.keys))
	for i, c := range t.keys {
		parts[i] = fmt.Sprintf("'%s', t.%s", c.name, c.name)
	}
	return "jsonb_build_object(" + strings.Join(parts, ", ") + ")"
}

// columns lists the key's columns, each with a prefix.
func (t table) columns(prefix string) string {
	parts := make([]string, len(t.keys))
	for i, c := range t.keys {
		parts[i] = prefix + c.name
	}
	return strings.Join(parts, ", ")
}

// record is the key's columns with their types, for jsonb_to_recordset.
func (t table) record() string {
	parts := make([]string, len(t.keys))
	for i, c := range t.keys {
		parts[i] = c.name + " " + c.kind
	}
	return strings.Join(parts, ", ")
}

// named joins the rows t with keys, a JSON list in SQL.
func (t table) named(keys string) string {
	return fmt.Sprintf("%s t JOIN jsonb_to_recordset(%s) AS k (%s) ON (%s) = (%s)",
		t.name, keys, t.record(), t.columns("t."), t.columns("k."))
}
