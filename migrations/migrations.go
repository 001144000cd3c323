// Package migrations holds relabel's own schema as numbered up and down SQL,
// embedded in the binary. River's migrations come with River; package db runs
// both.
//
// A migration is a transaction, tried again when it doesn't get its locks in
// time; so it should be short. An index of a table that exists is made
// CONCURRENTLY, as in 007, in a migration of its own.
//
// Workers of the release before go on working beside the new ones, so a migration only
// adds. What nobody uses any more is taken away one release later. The migration that does
// it has a line of its own such as
//
//	-- compatible from 024
//
// which names the oldest schema whose programs can do without. Migrate writes that number
// into schema_version; older programs find it there and stop (package cli).
package migrations

import "embed"

// FS holds NNN_name.up.sql and NNN_name.down.sql, numbered without gaps from 1.
//
//go:embed *.sql
var FS embed.FS
