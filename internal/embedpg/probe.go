//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// connectTimeout bounds one try to connect over the Unix socket, which takes 10 ms when all is well,
// and seconds on a machine with far more to do than it has processors.
const connectTimeout = 20 * time.Second

// health is what a probe found.
type health int

const (
	down  health = iota // no server, as far as postmaster.pid says
	mute                // the process of postmaster.pid lives and doesn't answer: starting, stopping, or not a server
	busy                // a server that says it is starting, recovering or stopping
	ready               // a server that took our password
)

// running is a server that a probe met.
type running struct {
	pidFile
	version string
	silence string // why a mute one could not be reached
}

// probe asks the server of a data folder how it is. An error means that it answers and won't have us.
func (in *instance) probe(ctx context.Context, major int) (running, health, error) {
	p, ok := readPidFile(in.data(major))
	if !ok || !alive(p.pid) {
		return running{}, down, nil
	}
	r := running{pidFile: p}
	if p.port == 0 || p.socketDir == "" {
		return r, mute, nil
	}
	dsn, err := in.url(major, p)
	if err != nil {
		return r, mute, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		r.silence = oneLine(err.Error())
		h, err := in.refusal(major, err)
		return r, h, err
	}
	r.version, _, _ = strings.Cut(conn.ParameterStatus("server_version"), " ")
	_ = conn.Close(ctx) // the server notices by itself
	return r, ready, nil
}

// refusal tells a server that isn't there yet from one that is and refuses us.
func (in *instance) refusal(major int, err error) (health, error) {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
		return mute, nil
	case pg.Code == "57P03": // cannot_connect_now
		return busy, nil
	case strings.HasPrefix(pg.Code, "28"): // invalid authorization
		return ready, fmt.Errorf("the private PostgreSQL does not take the password in %s: put the right one back (%s)", in.password(major), oneLine(pg.Message))
	}
	return ready, fmt.Errorf("the private PostgreSQL refuses connections: %s (log: %s)", oneLine(pg.Message), in.layout.log(major))
}

// url is the way to a running server over its Unix socket.
func (in *instance) url(major int, p pidFile) (string, error) {
	password, err := os.ReadFile(in.password(major))
	if err != nil {
		return "", fmt.Errorf("error reading the private PostgreSQL's password: %w", err)
	}
	// libpq and pgx take + for itself, so a blank (there is one in the macOS default) must be %20.
	host := strings.ReplaceAll(url.QueryEscape(p.socketDir), "+", "%20")
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, strings.TrimSpace(string(password))),
		Path:     "/" + database,
		RawQuery: "host=" + host + "&port=" + strconv.Itoa(p.port),
	}
	return u.String(), nil
}
