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

// fresh is how a database was when it was made. It is kept as the database's
// comment, so that every process can bring it back.
type fresh struct {
	Schema string // a fingerprint of the catalogs
	Clean  string // statements that bring back its rows and sequences
}

// lookSQL needs no list of what a test may change: nearly every change of a catalog's
// row gives it another xmin. Of pg_class, where TRUNCATE does too, the columns count,
// and whether a table was analysed. Settings of the database lie outside of it. What is not ours has an oid below 16384.
const lookSQL = `
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

// remember keeps how a new database is.
func remember(ctx context.Context, conn *pgx.Conn) error {
	f := fresh{}
	if err := conn.QueryRow(ctx, lookSQL).Scan(&f.Schema); err != nil {
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
	if err := conn.QueryRow(ctx, lookSQL).Scan(&is.Schema); err != nil {
		return fmt.Errorf("error looking at a used database: %w", err)
	}
	if is.Schema != was.Schema {
		return errors.New("a test has changed the database's schema")
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

// truncateSQL empties the tables that were written to. DELETE would be quicker, but
// leaves their room, which plans look at: with the statistics of an empty table that
// has room a load of many rows takes minutes. To truncate all tables takes 100 ms.
const truncateSQL = `
DO $$ DECLARE used text; BEGIN
	SELECT string_agg(oid::regclass::text, ', ') INTO used FROM pg_class
	WHERE relnamespace = 'relabel'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
		AND oid::regclass::text <> ALL ('{%s}');
	IF used IS NOT NULL THEN
		EXECUTE 'TRUNCATE ' || used || ' CASCADE';
	END IF;
END $$`

// cleaning empties the tables, and brings back what migrations have put there. Of
// those tables, the younger ones refer to the older.
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
	var seeds, deletes, restores []string
	for _, r := range relations {
		restore, err := restoring(ctx, conn, r)
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
