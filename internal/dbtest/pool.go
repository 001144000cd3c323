package dbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// poolLock plus a database's oid is the advisory lock of the process that uses it.
	// PostgreSQL releases it when the process ends, even when it is killed.
	poolLock = 0x74657374_00000000

	// maxKept is how many databases of a template are kept for other tests. They have
	// 9 MB each. Fewer tests than this run at the same time.
	maxKept = 32

	// poolTimeout limits each claim and release, on a busy machine too.
	poolTimeout = 2 * time.Minute
)

// pool claims databases for the tests of this process. The databases themselves are
// shared by all test processes of the server. Its connection holds the locks.
type pool struct {
	admin string
	keep  int // maximum of free databases of a template

	mu   sync.Mutex
	conn *pgx.Conn
	mine []uint32 // claimed here; needed because a session may lock the same thing twice
}

//nolint:gochecknoglobals // as server
var shared = sync.OnceValues(func() (*pool, error) {
	admin, err := server()
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(context.Background(), admin)
	if err != nil {
		return nil, fmt.Errorf("error connecting to the test server: %w", err)
	}
	return &pool{admin: admin, keep: maxKept, conn: conn}, nil
})

// claimed is a database that one test uses.
type claimed struct {
	oid  uint32
	name string
}

// family returns the end that all names of a template's databases have in common.
func family(template string) string { return template[strings.LastIndex(template, "_"):] }

// claim finds a free database of a template and cleans it, or makes a new one.
func (p *pool) claim(ctx context.Context, template string) (claimed, error) {
	// Cancelling a statement closes the connection, and would release all locks.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), poolTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		c, err := p.free(ctx, template)
		if err != nil {
			return c, err
		}
		if c.oid == 0 {
			return p.make(ctx, template)
		}
		if p.reuse(ctx, &c, template) == nil {
			return c, nil
		}
		// It cannot be cleaned, because a test changed its schema.
		if err := p.drop(ctx, c); err != nil {
			return c, err
		}
	}
}

// free locks a database that nobody uses. The oid is 0 if there is none.
func (p *pool) free(ctx context.Context, template string) (claimed, error) {
	rows, err := p.conn.Query(ctx, `
		SELECT oid FROM pg_database WHERE starts_with(datname, $1) AND right(datname, length($2)) = $2`, prefix, family(template))
	if err != nil {
		return claimed{}, fmt.Errorf("error looking for a free database: %w", err)
	}
	oids, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return claimed{}, fmt.Errorf("error looking for a free database: %w", err)
	}
	for _, oid := range oids {
		if slices.Contains(p.mine, oid) {
			continue
		}
		if c, err := p.lock(ctx, oid); err != nil || c.oid != 0 {
			return c, err
		}
	}
	return claimed{}, nil
}

// lock tries to lock a database. It reads the name only after that, because another
// process may have renamed or dropped the database before.
func (p *pool) lock(ctx context.Context, oid uint32) (c claimed, err error) {
	var locked bool
	if err := p.conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1 + $2::bigint)`, int64(poolLock), int64(oid)).Scan(&locked); err != nil {
		return c, fmt.Errorf("error locking a database: %w", err)
	}
	if !locked {
		return c, nil
	}
	err = p.conn.QueryRow(ctx, `SELECT oid, datname FROM pg_database WHERE oid = $1`, oid).Scan(&c.oid, &c.name)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, p.unlock(ctx, oid)
	}
	p.mine = append(p.mine, oid)
	return c, err
}

// reuse renames and cleans a database.
func (p *pool) reuse(ctx context.Context, c *claimed, template string) error {
	if err := p.rename(ctx, c, template); err != nil {
		return err
	}
	return p.inside(ctx, *c, clean)
}

func (p *pool) make(ctx context.Context, template string) (claimed, error) {
	c := claimed{name: databaseName(time.Now())} // without the family, so that nobody else claims it before it is locked
	if _, err := p.conn.Exec(ctx, "CREATE DATABASE "+c.name+" TEMPLATE "+template+" STRATEGY FILE_COPY"); err != nil {
		return c, fmt.Errorf("error making a database: %w", err)
	}
	var oid uint32
	if err := p.conn.QueryRow(ctx, `SELECT oid FROM pg_database WHERE datname = $1`, c.name).Scan(&oid); err != nil {
		return c, fmt.Errorf("error looking for the new database: %w", err)
	}
	c, err := p.lock(ctx, oid)
	if err != nil {
		return c, err
	}
	if err := p.inside(ctx, c, saveSnapshot); err != nil {
		return c, err
	}
	err = p.rename(ctx, &c, template)
	return c, err
}

// rename gives a database a new name. First it ends the connections that the last test
// left.
func (p *pool) rename(ctx context.Context, c *claimed, template string) error {
	if _, err := p.conn.Exec(ctx, `
		SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datid = $1`, c.oid); err != nil {
		return fmt.Errorf("error ending connections: %w", err)
	}
	name := databaseName(time.Now()) + family(template)
	if _, err := p.conn.Exec(ctx, "ALTER DATABASE "+c.name+" RENAME TO "+name); err != nil {
		return fmt.Errorf("error renaming a database: %w", err)
	}
	c.name = name
	return nil
}

// inside runs do on a connection to a claimed database.
func (p *pool) inside(ctx context.Context, c claimed, do func(context.Context, *pgx.Conn) error) error {
	address, err := addressOf(p.admin, c.name)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("error connecting to a test database: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	return do(ctx, conn)
}

// release makes a database free for others, or drops it if enough are kept.
func (p *pool) release(c claimed) error {
	ctx, cancel := context.WithTimeout(context.Background(), poolTimeout)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept int
	if err := p.conn.QueryRow(ctx, `
		SELECT count(*) FROM pg_database WHERE starts_with(datname, $1) AND right(datname, length($2)) = $2`,
		prefix, family(c.name)).Scan(&kept); err != nil {
		return fmt.Errorf("error counting databases: %w", err)
	}
	if kept > p.keep {
		return p.drop(ctx, c)
	}
	return p.unlock(ctx, c.oid)
}

func (p *pool) drop(ctx context.Context, c claimed) error {
	if _, err := p.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+c.name+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("error dropping a database: %w", err)
	}
	return p.unlock(ctx, c.oid)
}

func (p *pool) unlock(ctx context.Context, oid uint32) error {
	p.mine = slices.DeleteFunc(p.mine, func(m uint32) bool { return m == oid })
	if _, err := p.conn.Exec(ctx, `SELECT pg_advisory_unlock($1 + $2::bigint)`, int64(poolLock), int64(oid)); err != nil {
		return fmt.Errorf("error unlocking a database: %w", err)
	}
	return nil
}
