// Package migrations holds relabel's own schema as numbered up and down SQL,
// embedded in the binary. River's migrations come with River; package db runs
// both.
package migrations

import "embed"

// FS holds NNN_name.up.sql and NNN_name.down.sql, numbered without gaps from 1.
//
//go:embed *.sql
var FS embed.FS
