// Package migrations holds relabel's own schema as numbered up and down SQL,
// embedded in the binary. River's migrations come with River; package db runs
// both.
//
// A migration is a transaction, tried again when it doesn't get its locks in
// time; so it should be short. An index of a table that exists is made
// CONCURRENTLY, as in 007, in a migration of its own.
package migrations

import "embed"

// FS holds NNN_name.up.sql and NNN_name.down.sql, numbered without gaps from 1.
//
//go:embed *.sql
var FS embed.FS
