package pg

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// settings are what a connection of ours needs, by name, whatever the role, the database
// or a provider has set. A statement sets them, because poolers refuse start-up parameters
// or ignore them.
type settings map[string]string

// takeSettings gives the settings of all connections. It takes those that the URL may
// change out of its start-up parameters.
func takeSettings(startUp map[string]string) settings {
	set := timeouts()
	for name := range set {
		if v := startUp[name]; v != "" {
			set[name] = v
		}
		delete(startUp, name)
	}
	maps.Copy(set, fixedSettings())
	for name := range fixedSettings() {
		delete(startUp, name)
	}
	return set
}

func fixedSettings() settings {
	return settings{
		"search_path": Schema,
		"timezone":    "UTC",
		// Every statement must see what the last holder of its lock has written; a
		// database shared with an application may have another default.
		"default_transaction_isolation": "read committed",
		// Every query has an index that serves it, in its order. Without these a plan
		// made while a table was empty (a sequential scan) stays in use when it holds
		// 5,000,000 rows, and statistics of yesterday's small batches have the feed
		// read and sort all open rows (a bitmap scan) for the first 10,000; loading,
		// which does read whole batches, switches sequential scans on.
		"enable_seqscan":    "off",
		"enable_bitmapscan": "off",
		"jit":               "off",
	}
}

// timeouts let the server notice that this process has died, and nothing else end a
// statement: a load or a migration may take hours. The process itself bounds statements
// that must be quick. On a Unix socket the TCP settings have no effect.
func timeouts() settings {
	return settings{
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"transaction_timeout":                 "0",
		"idle_session_timeout":                "0",
		"idle_in_transaction_session_timeout": milliseconds(Standstill),
		"tcp_keepalives_idle":                 seconds(keepAliveIdle),
		"tcp_keepalives_interval":             seconds(keepAliveInterval),
		"tcp_keepalives_count":                strconv.Itoa(keepAliveCount),
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }

// apply sets the settings for the rest of the session. It leaves out those that the server
// does not know: transaction_timeout is new in PostgreSQL 17.
func (s settings) apply(ctx context.Context, conn *pgconn.PgConn) error {
	values, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("error writing settings: %w", err)
	}
	const set = `SELECT set_config(key, value, false) FROM json_each_text($1) WHERE current_setting(key, true) IS NOT NULL`
	if err := conn.ExecParams(ctx, set, [][]byte{values}, nil, nil, nil).Read().Err; err != nil {
		return fmt.Errorf("error setting up a connection: %w", err)
	}
	return nil
}
