package dbtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// snapshot describes a new database. It is stored as the database's comment, so that
// every process can restore it.
type snapshot struct {
	Schema string // a fingerprint of the catalogs
	Clean  string // statements that restore the rows and sequences
}

// schemaSQL computes the fingerprint. It needs no list of possible changes, because
// nearly every change gives a catalog's row a new xmin. So does TRUNCATE in pg_class,
// which is allowed; there it compares columns, and whether a table was analysed. The
// settings of a database are in a shared catalog. PostgreSQL's own objects have oids
// below 16384.
const schemaSQL = `
SELECT concat_ws(' ',
	(SELECT sum(hashtext(concat(oid, relname, relnamespace, relowner, relkind, relnatts, relchecks, relhasindex, relhastriggers,
		relrowsecurity, relreplident, reloptions, relacl))) FROM pg_class WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(attrelid, attnum, xmin))) FROM pg_attribute WHERE attrelid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_proc WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_type WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_trigger),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_constraint),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_attrdef),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_rewrite WHERE oid >= 16384),
	(SELECT sum(hashtext(concat(oid, xmin))) FROM pg_namespace),
	(SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relkind = 'r' AND reltuples >= 0),
	(SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
	(SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database())
) AS schema`

// saveSnapshot stores the snapshot of a new database.
func saveSnapshot(ctx context.Context, conn *pgx.Conn) error {
	f := snapshot{}
	if err := conn.QueryRow(ctx, schemaSQL).Scan(&f.Schema); err != nil {
		return fmt.Errorf("error reading a new database: %w", err)
	}
	var err error
	if f.Clean, err = cleanStatements(ctx, conn); err != nil {
		return err
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("error describing a new database: %w", err)
	}
	quoted := "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+conn.Config().Database+" IS "+quoted); err != nil {
		return fmt.Errorf("error storing the snapshot of a database: %w", err)
	}
	return nil
}

// clean restores a used database. It fails if a test changed more than rows.
func clean(ctx context.Context, conn *pgx.Conn) error {
	var text string
	if err := conn.QueryRow(ctx, `
		SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()`).Scan(&text); err != nil {
		return fmt.Errorf("error reading the snapshot of a database: %w", err)
	}
	was, is := snapshot{}, snapshot{}
	if err := json.Unmarshal([]byte(text), &was); err != nil {
		return fmt.Errorf("error reading the snapshot of a database: %w", err)
	}
	if err := conn.QueryRow(ctx, schemaSQL).Scan(&is.Schema); err != nil {
		return fmt.Errorf("error reading a used database: %w", err)
	}
	if is.Schema != was.Schema {
		return errors.New("a test changed the database's schema")
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
	Columns    string // those that can be written
}

// truncateSQL empties the tables that were written to. DELETE would be quicker, but the
// files would keep their size. The planner uses that size, and with it a load of many
// rows would take minutes. Truncating all tables would take 100 ms.
const truncateSQL = `
DO $$ DECLARE used text; BEGIN
	SELECT string_agg(oid::regclass::text, ', ') INTO used FROM pg_class
	WHERE relnamespace = 'relabel'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
		AND oid::regclass::text <> ALL ('{%s}');
	IF used IS NOT NULL THEN
		EXECUTE 'TRUNCATE ' || used || ' CASCADE';
	END IF;
END $$`

// cleanStatements returns the statements that empty all tables, and restore the rows
// that migrations inserted. It deletes from newer tables first, because they refer to
// older ones.
func cleanStatements(ctx context.Context, conn *pgx.Conn) (string, error) {
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
	var seeds, deletes, restores []string
	for _, r := range relations {
		restore, err := restoreStatement(ctx, conn, r)
		if err != nil {
			return "", err
		}
		if restore == "" {
			continue
		}
		restores = append(restores, restore)
		if !r.IsSequence {
			seeds = append(seeds, r.Name)
			deletes = append([]string{"DELETE FROM " + r.Name}, deletes...)
		}
	}
	truncate := fmt.Sprintf(truncateSQL, strings.Join(seeds, ","))
	return strings.Join(slices.Concat([]string{truncate}, deletes, restores), ";\n"), nil
}

// restoreStatement returns the statement that restores the present content of a table or
// a sequence.
func restoreStatement(ctx context.Context, conn *pgx.Conn, r relation) (statement string, err error) {
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
