// Package records reads for people what the other packages have written: batches, rows,
// causes of failures, results, stories, and who did what.
//
// Batch and Batches read batches with their counts and estimated ends. A RowFilter
// chooses rows: Rows lists a page of them, CountRows counts them, RowErrors groups the
// bad ones by cause, and RetryRows and CancelRows hand them to db in chunks. Story reads
// everything about one asset or row, and Results streams a whole batch. Assets lists what a
// site held when it was last read.
//
// Audit runs an action of a person between two writes of its AuditEntry. MarkSeen keeps what people
// marked as seen. The package writes nothing else itself.
//
// Functions take the *db.DB that they read from. Every statement has an index that serves
// it, however large the tables are. Where none does, as for a part of a name, it examines
// a limited number of rows, and the page says how many.
package records

import (
	"embed"

	"relabel/internal/pg"
)

//go:embed sql
var sqlFiles embed.FS

// statements are the files of sql/ by name.
var statements = pg.ReadStatements(sqlFiles) //nolint:gochecknoglobals // never changes: text that is part of the program

// statement returns the text of sql/NAME.sql.
func statement(name string) string { return statements[name] }
