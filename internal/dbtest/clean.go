package dbtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// fresh is how a database was when it was made. It is kept as the database's
// comment, so that every process can bring it back.
type fresh struct {
	Schema string // a fingerprint of the catalogs
	Size   int64  // of all tables and indexes
	Clean  string // statements that bring back its rows and sequences
}

// maxGrowth is how much larger than fresh a database may be, for rows that are
// deleted leave their room: a large one is slow, and plans look at the room.
const maxGrowth = 4 << 20

// lookSQL needs no list of what a test may change: every change of a catalog's row
// gives it another xmin, and ANALYZE, which does not, writes relpages. Settings of
// the database lie outside of it. What is not ours has an oid below 16384.
const lookSQL = `
SELECT concat_ws(' ',
	(SELECT sum(hashtext(concat(oid, xmin, relfilenode, relpages, reltuples))) FROM pg_class WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(attrelid, attnum, xmin))) FROM pg_attribute WHERE attrelid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_proc WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_type WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_trigger),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_constraint),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_attrdef),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_rewrite WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_namespace),
	(SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
	(SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database())
) AS schema, (SELECT coalesce(sum(pg_relation_size(oid)), 0)::bigint FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'i', 't', 'S')) AS size`

// remember keeps how a new database is.
func remember(ctx context.Context, conn *pgx.Conn) error {
	f := fresh{}
	if err := conn.QueryRow(ctx, lookSQL).Scan(&f.Schema, &f.Size); err != nil {
		return fmt.Errorf("error looking at a new database: %w", err)
	}
	var err error
	if f.Clean, err = cleaning(ctx, conn); err != nil {
		return err
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("error describing a new database: %w", err)
	}
	quoted := "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+conn.Config().Database+" IS "+quoted); err != nil {
		return fmt.Errorf("error remembering how a new database is: %w", err)
	}
	return nil
}

// clean brings a used database back, or fails because that would not make it fresh.
func clean(ctx context.Context, conn *pgx.Conn) error {
	var text string
	if err := conn.QueryRow(ctx, `
		SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()`).Scan(&text); err != nil {
		return fmt.Errorf("error reading how a database was: %w", err)
	}
	was, is := fresh{}, fresh{}
	if err := json.Unmarshal([]byte(text), &was); err != nil {
		return fmt.Errorf("error reading how a database was: %w", err)
	}
	if err := conn.QueryRow(ctx, lookSQL).Scan(&is.Schema, &is.Size); err != nil {
		return fmt.Errorf("error looking at a used database: %w", err)
	}
	if is.Schema != was.Schema || is.Size > was.Size+maxGrowth {
		return errors.New("a test has changed the database's schema, or filled it")
	}
	// One message, so one transaction.
	if _, err := conn.PgConn().Exec(ctx, was.Clean).ReadAll(); err != nil {
		return fmt.Errorf("error cleaning a database: %w", err)
	}
	return nil
}

// relation is a table or a sequence.
type relation struct {
	Name       string
	IsSequence bool
	Columns    string // that can be written
}

// cleaning deletes all rows, those that refer to others first, and brings back
// what migrations have put there. Tables that refer to others are younger. DELETE,
// for nearly all tables are empty: TRUNCATE, which makes new files, takes 20 times
// as long.
func cleaning(ctx context.Context, conn *pgx.Conn) (string, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.oid::regclass::text AS name, c.relkind = 'S' AS is_sequence,
			string_agg(quote_ident(a.attname), ', ') FILTER (WHERE a.attgenerated = '') AS columns
		FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'relabel'::regnamespace AND c.relkind IN ('r', 'S') GROUP BY c.oid ORDER BY c.oid`)
	if err != nil {
		return "", fmt.Errorf("error listing tables: %w", err)
	}
	relations, err := pgx.CollectRows(rows, pgx.RowToStructByName[relation])
	if err != nil {
		return "", fmt.Errorf("error listing tables: %w", err)
	}
	var deletes, restores []string
	for _, r := range relations {
		restore, err := restoring(ctx, conn, r)
		if err != nil {
			return "", err
		}
		restores = append(restores, restore)
		if !r.IsSequence {
			deletes = append([]string{"DELETE FROM " + r.Name}, deletes...)
		}
	}
	return strings.Join(append(deletes, restores...), ";\n"), nil
}

// restoring is the statement that brings back what a table or a sequence holds now.
func restoring(ctx context.Context, conn *pgx.Conn, r relation) (statement string, err error) {
	sql := `SELECT format('SELECT setval(%L, %s, %L)', $1::text, last_value, is_called) FROM ` + r.Name
	args := []any{r.Name}
	if !r.IsSequence {
		sql = `
			SELECT CASE WHEN count(*) = 0 THEN '' ELSE format('INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE
				SELECT %2$s FROM json_populate_recordset(NULL::%1$s, %3$L)', $1::text, $2::text, json_agg(t)) END FROM ` + r.Name + ` t`
		args = append(args, r.Columns)
	}
	if err := conn.QueryRow(ctx, sql, args...).Scan(&statement); err != nil {
		return "", fmt.Errorf("error reading %s: %w", r.Name, err)
	}
	return statement, nil
}
