package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// HeartbeatEvery is how often a process records that it is alive.
	HeartbeatEvery = 5 * time.Second

	// ProcessStale is how long after its last heartbeat a process counts as dead, also
	// in the SQL function is_worked. Six missed beats are no short hang. With the feed's
	// tick (5 s) that is well within the promise of 90 s.
	ProcessStale = 30 * time.Second

	// processForgotten is how long a dead process's row is kept for people.
	processForgotten = 7 * 24 * time.Hour
)

// Process is a running relabel.
type Process struct {
	ID      string
	Command string
	Version string
	Host    string
	PID     int
	Sites   []int    // that it works
	Lanes   []string // their tokens, by fingerprint, in the same order
}

// Beat records that the process is alive, and the sites that it works now. The first beat
// creates its row. Each deletes the rows of long dead processes.
func (db *DB) Beat(ctx context.Context, p Process) error {
	_, err := db.Pool().Exec(ctx, `
		WITH forgotten AS (
			DELETE FROM process WHERE heartbeat_at < clock_timestamp() - @forgotten::interval
		)
		INSERT INTO process AS p (id, command, version, host, pid, sites, lanes, heartbeat_at)
		VALUES (@id, @command, @version, @host, @pid, @sites, @lanes, clock_timestamp())
		ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at,
			-- A thousand sites are stored apart from the row, and written again only if they change.
			sites = CASE WHEN p.sites = excluded.sites THEN p.sites ELSE excluded.sites END,
			lanes = CASE WHEN p.lanes = excluded.lanes THEN p.lanes ELSE excluded.lanes END`,
		pgx.NamedArgs{
			"id": p.ID, "command": p.Command, "version": p.Version, "host": p.Host, "pid": p.PID,
			"sites": append([]int{}, p.Sites...), "lanes": append([]string{}, p.Lanes...), "forgotten": processForgotten,
		})
	if err != nil {
		return fmt.Errorf("error recording the heartbeat: %w", err)
	}
	return nil
}

// EndProcess deletes the row of a process that stops normally, so that its jobs are free
// at once.
func (db *DB) EndProcess(ctx context.Context, id string) error {
	if _, err := db.Pool().Exec(ctx, `DELETE FROM process WHERE id = $1`, id); err != nil {
		return fmt.Errorf("error ending the process row: %w", err)
	}
	return nil
}

// IsWorked reports whether a process works at a site.
func (db *DB) IsWorked(ctx context.Context, site string) (worked bool, err error) {
	if err := db.Pool().QueryRow(ctx, `SELECT is_worked(id) FROM site WHERE name = $1`, site).Scan(&worked); err != nil {
		return false, fmt.Errorf("error looking for workers: %w", err)
	}
	return worked, nil
}
