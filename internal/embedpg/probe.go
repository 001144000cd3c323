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

// connectTimeout limits one attempt to connect over the Unix socket. It takes 10 ms normally, and seconds on a
// machine with far more work than processors.
const connectTimeout = 20 * time.Second

// health is the state of a server.
type health int

const (
	stopped      health = iota // no server, according to postmaster.pid
	unresponsive               // the process in postmaster.pid lives and does not answer: starting, stopping, or not a server
	busy                       // the server says that it is starting, recovering or stopping
	ready                      // the server took our password
)

// running is a server that a probe found.
type running struct {
	pidFile
	version string
	reason  string // why an unresponsive one could not be reached
}

// probe asks the server of a data folder for its health. An error means that the server answers and refuses us.
func (in *instance) probe(ctx context.Context, major int) (running, health, error) {
	p, ok := readPidFile(in.data(major))
	if !ok || !alive(p.pid) {
		return running{}, stopped, nil
	}
	r := running{pidFile: p}
	if p.port == 0 || !plainPath.MatchString(p.socketDir) { // a host's name would get our password over the network
		return r, unresponsive, nil
	}
	dsn, err := in.url(major, p)
	if err != nil {
		return r, unresponsive, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		r.reason = oneLine(err.Error())
		h, err := in.connectFailure(major, err)
		return r, h, err
	}
	r.version, _, _ = strings.Cut(conn.ParameterStatus("server_version"), " ")
	_ = conn.Close(ctx) // the server notices by itself
	return r, ready, nil
}

// connectFailure distinguishes a server that is not ready from one that is, and refuses us.
func (in *instance) connectFailure(major int, err error) (health, error) {
	var pg *pgconn.PgError
	switch {
	case !errors.As(err, &pg):
		return unresponsive, nil
	case pg.Code == "57P03": // cannot_connect_now
		return busy, nil
	case strings.HasPrefix(pg.Code, "28"): // invalid authorization
		return ready, fmt.Errorf("the private PostgreSQL does not take the password in %s: put the right one back (%s)", in.password(major), oneLine(pg.Message))
	}
	return ready, fmt.Errorf("the private PostgreSQL refuses connections: %s (log: %s)", oneLine(pg.Message), in.layout.log(major))
}

// url connects to a running server over its Unix socket.
func (in *instance) url(major int, p pidFile) (string, error) {
	password, err := os.ReadFile(in.password(major))
	if err != nil {
		return "", fmt.Errorf("error reading the private PostgreSQL's password: %w", err)
	}
	// libpq and pgx take + literally, so a blank (the macOS default has one) must be %20.
	host := strings.ReplaceAll(url.QueryEscape(p.socketDir), "+", "%20")
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, strings.TrimSpace(string(password))),
		Path:     "/" + database,
		RawQuery: "host=" + host + "&port=" + strconv.Itoa(p.port),
	}
	return u.String(), nil
}
