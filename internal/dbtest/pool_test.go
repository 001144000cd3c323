package dbtest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// ownPool returns a pool of a template that no other test uses.
func ownPool(t *testing.T, keep int) (p *pool, name string) {
	t.Helper()
	admin, err := server()
	require.NoError(t, err)
	p = &pool{admin: admin, keep: keep, conn: connect(t, admin)}
	name = "relabel_template_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	require.NoError(t, execAdmin(t.Context(), admin, "CREATE DATABASE "+name+" TEMPLATE "+template(t)))
	t.Cleanup(func() {
		for _, d := range append(databasesOf(t, admin, name), name) {
			require.NoError(t, execAdmin(context.Background(), admin, "DROP DATABASE IF EXISTS "+d+" WITH (FORCE)"))
		}
	})
	return p, name
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func databasesOf(t *testing.T, admin, template string) []string {
	t.Helper()
	rows, err := connect(t, admin).Query(context.Background(), `
		SELECT datname FROM pg_database WHERE right(datname, length($1)) = $1 AND datname <> $2`, family(template), template)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

func (p *pool) mustClaim(t *testing.T, template string) (claimed, *db.DB) {
	t.Helper()
	c, err := p.claim(t.Context(), template)
	require.NoError(t, err)
	return c, Open(t, withDatabase(t, p.admin, c.name))
}

func exec(t *testing.T, d *db.DB, sql string) {
	t.Helper()
	_, err := d.Pool().Exec(t.Context(), sql)
	require.NoError(t, err)
}

// dirty changes rows and sequences as tests do.
const dirty = `
	INSERT INTO site (name) VALUES ('mine');
	UPDATE acceptance SET last = 7;
	UPDATE breaker SET failures = 3;
	INSERT INTO batch (site_id, name, source) SELECT id, 'b', 's' FROM site;
	INSERT INTO river_queue (name, created_at, updated_at) VALUES ('q', now(), now());
	INSERT INTO river_job (kind, max_attempts, args) VALUES ('k', 1, '{}');
	INSERT INTO lane (fingerprint, call_window) VALUES ('l', '1s');
	INSERT INTO lane_grant (lane, process_id, expires_at) VALUES ('l', 'p', now());
	INSERT INTO event (kind) SELECT 'site parked' FROM generate_series(1, 5000);
	TRUNCATE audit;
	DELETE FROM river_migration WHERE version = 1;
	UPDATE schema_version SET version = 99`

// contents returns all rows of all tables, and the values of the sequences.
func contents(t *testing.T, d *db.DB) map[string]string {
	t.Helper()
	rows, err := d.Pool().Query(t.Context(), `
		SELECT c.oid::regclass::text, query_to_xml('SELECT '
			|| CASE c.relkind WHEN 'S' THEN 'last_value, is_called' ELSE '*' END || ' FROM ' || c.oid::regclass, true, false, '')::text
		FROM pg_class c WHERE c.relnamespace = 'relabel'::regnamespace AND c.relkind IN ('r', 'S')`)
	require.NoError(t, err)
	all := map[string]string{}
	var name, text string
	_, err = pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		all[name] = text
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(all), 20)
	return all
}

// roomOf returns the sizes of all tables.
func roomOf(t *testing.T, d *db.DB) (room string) {
	t.Helper()
	require.NoError(t, d.Pool().QueryRow(t.Context(), `
		SELECT string_agg(concat(relname, ' ', pg_relation_size(oid), ' ', relpages, ' ', reltuples), ', ' ORDER BY oid) FROM pg_class
		WHERE relnamespace = 'relabel'::regnamespace AND relkind = 'r'`).Scan(&room))
	return room
}

// A database that another test used is like a new one, and has another name.
func TestUsedDatabaseIsClean(t *testing.T) {
	t.Parallel()
	p, name := ownPool(t, maxKept)
	first, d := p.mustClaim(t, name)
	was, room := contents(t, d), roomOf(t, d)
	exec(t, d, dirty)
	require.NotEqual(t, was, contents(t, d))
	tx, err := d.Pool().Begin(t.Context()) // and it leaves a connection in a transaction
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `LOCK TABLE site`)
	require.NoError(t, err)
	require.NoError(t, p.release(first))

	again, used := p.mustClaim(t, name)
	require.Equal(t, first.oid, again.oid)
	require.NotEqual(t, first.name, again.name)
	require.Error(t, tx.Commit(t.Context()))
	require.Error(t, d.Pool().Ping(t.Context()), "its database is gone")
	require.Equal(t, was, contents(t, used))
	require.Equal(t, room, roomOf(t, used))
	other, _ := p.mustClaim(t, name)
	require.NotEqual(t, again.oid, other.oid, "a database in use is not given to others")
}

// A database is dropped if a test changed more than rows.
func TestChangedDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	p, name := ownPool(t, maxKept)
	for what, sql := range map[string]string{
		"table":     `CREATE TABLE mine (id int)`,
		"elsewhere": `CREATE TABLE public.mine (id int)`,
		"dropped":   `DROP TABLE audit`,
		"column":    `ALTER TABLE audit ADD COLUMN mine int`,
		"option":    `ALTER TABLE rename SET (autovacuum_enabled = off)`,
		"function":  `CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		"replaced":  `ALTER FUNCTION is_worked COST 7`,
		"trigger":   `ALTER TABLE batch DISABLE TRIGGER ALL`,
		"index":     `DROP INDEX rename_open_idx`,
		"schema":    `CREATE SCHEMA mine`,
		"analysed":  `INSERT INTO event (kind) SELECT 'site parked' FROM generate_series(1, 500); ANALYZE event`,
		"counted":   `ANALYZE lane`,
		"setting":   `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database()); END $$`,
	} {
		t.Run(what, func(t *testing.T) {
			c, d := p.mustClaim(t, name)
			exec(t, d, sql)
			require.NoError(t, p.release(c))
			again, _ := p.mustClaim(t, name)
			require.NotEqual(t, c.oid, again.oid)
			require.Equal(t, []string{again.name}, databasesOf(t, p.admin, name))
			require.NoError(t, p.release(again))
		})
	}
}

// The databases of a killed process are unlocked. The next process claims and cleans them.
func TestKilledProcessLeavesItsDatabases(t *testing.T) {
	t.Parallel()
	killed, name := ownPool(t, maxKept)
	left, d := killed.mustClaim(t, name)
	was := contents(t, d)
	exec(t, d, dirty)
	next := &pool{admin: killed.admin, keep: maxKept, conn: connect(t, killed.admin)}
	c, _ := next.mustClaim(t, name)
	require.NotEqual(t, left.oid, c.oid, "its process lives")
	require.NoError(t, killed.conn.Close(t.Context()))
	require.Eventually(t, func() bool { // its session ends a moment after its connection
		return !next.isLocked(t, left)
	}, poolTimeout, time.Millisecond)
	c, d = next.mustClaim(t, name)
	require.Equal(t, left.oid, c.oid)
	require.Equal(t, was, contents(t, d))
}

func (p *pool) isLocked(t *testing.T, c claimed) (locked bool) {
	t.Helper()
	require.NoError(t, p.conn.QueryRow(t.Context(), `
		SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = $1 + $2::bigint)`,
		int64(poolLock), int64(c.oid)).Scan(&locked))
	return locked
}

// Only as many databases are kept as a run needs.
func TestSurplusIsDropped(t *testing.T) {
	t.Parallel()
	p, name := ownPool(t, 1)
	one, _ := p.mustClaim(t, name)
	two, _ := p.mustClaim(t, name)
	require.NoError(t, p.release(one))
	require.NoError(t, p.release(two))
	require.Equal(t, []string{two.name}, databasesOf(t, p.admin, name))
}
