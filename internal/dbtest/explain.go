package dbtest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// FillOld makes a site's past: thousands of small batches that have ended.
func FillOld(t TB, d Database, siteID int) {
	t.Helper()
	Exec(t, d, `
		WITH old AS (
			INSERT INTO batch (site_id, name, source, status, acceptance, total, succeeded, finished_at)
			SELECT $1, 'old', 'test', 'done', i, 1, 1, now() FROM generate_series(1, 2000) i RETURNING id
		)
		INSERT INTO rename (batch_id, site_id, line, asset_id, display_name, status, finished_at, fence, calls)
		SELECT id, $1, i, 'old ' || id || i, 'name', 'succeeded', now(), 1, 1 FROM old, generate_series(1, 4) i`, siteID)
}

// PlanNode is one node of a plan, as EXPLAIN prints it.
type PlanNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Rows     float64    `json:"Actual Rows"` // a loop's, as the next ones
	Removed  float64    `json:"Rows Removed by Filter"`
	Compared float64    `json:"Rows Removed by Join Filter"`
	Loops    float64    `json:"Actual Loops"`
	Hit      int        `json:"Shared Hit Blocks"`
	Read     int        `json:"Shared Read Blocks"`
	Plans    []PlanNode `json:"Plans"`
}

// Walk visits the node and all below it.
func (n PlanNode) Walk(visit func(PlanNode)) {
	visit(n)
	for _, p := range n.Plans {
		p.Walk(visit)
	}
}

// Explain runs a statement for real, in a transaction that is rolled back. It is prepared first: PostgreSQL plans what
// EXPLAIN itself is given for its values, whatever plan_cache_mode says.
func Explain(t testing.TB, conn *pgx.Conn, sql string, args pgx.NamedArgs) PlanNode {
	t.Helper()
	sql, values, err := args.RewriteQuery(t.Context(), conn, sql, nil)
	require.NoError(t, err)
	_, err = conn.Prepare(t.Context(), "explained", sql)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Deallocate(t.Context(), "explained")) }()
	call, all := "EXECUTE explained", []any{pgx.QueryExecModeSimpleProtocol}
	for i, v := range values {
		if kind := reflect.TypeOf(v); v != nil && kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct { // JSON
			v, err = json.Marshal(v)
			require.NoError(t, err)
			v = string(v.([]byte))
		}
		call, all = fmt.Sprintf("%s%s$%d", call, map[bool]string{true: "(", false: ", "}[i == 0], i+1), append(all, v)
	}
	if len(values) > 0 {
		call += ")"
	}
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context())) //nolint:errcheck // it ends the transaction, however that goes
	var text []byte
	require.NoError(t, tx.QueryRow(t.Context(), `EXPLAIN (ANALYZE, TIMING OFF, BUFFERS, FORMAT JSON) `+call, all...).Scan(&text))
	var plans []struct{ Plan PlanNode }
	require.NoError(t, json.Unmarshal(text, &plans))
	return plans[0].Plan
}
