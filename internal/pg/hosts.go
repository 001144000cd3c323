package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/sourcegraph/conc/iter"
)

const (
	// hostTimeout is how long one of several hosts may take to answer, so that a dead
	// one does not delay the use of the next. Seven round trips of 0.4 s fit.
	hostTimeout = 5 * time.Second

	// learnTime is how long a new connection waits for a host that does not answer.
	learnTime = 2 * time.Second

	// hostsEvery is how often a process asks all hosts for their timelines. It
	// bounds how long it works with an old primary that still answers.
	hostsEvery = 10 * time.Second
)

// Host is one of several servers in DATABASE_URL.
type Host struct {
	Address  string
	Timeline int64 // 0: it does not say
	Writable bool
	Err      error // it can't be reached

	lineage lineage
}

// several returns a configuration for each host, if DATABASE_URL names more than one.
func several(cc *pgx.ConnConfig) []*pgconn.Config {
	var hosts []*pgconn.Config
	all := append([]*pgconn.FallbackConfig{{Host: cc.Host, Port: cc.Port, TLSConfig: cc.TLSConfig}}, cc.Fallbacks...)
	for _, f := range all {
		if n := len(hosts); n > 0 && hosts[n-1].Host == f.Host && hosts[n-1].Port == f.Port {
			hosts[n-1].Fallbacks = append(hosts[n-1].Fallbacks, f) // the same host without TLS
			continue
		}
		c := cc.Config.Copy()
		c.Host, c.Port, c.TLSConfig, c.Fallbacks = f.Host, f.Port, f.TLSConfig, nil
		c.ValidateConnect, c.AfterConnect = nil, nil
		hosts = append(hosts, c)
	}
	if len(hosts) == 1 {
		return nil
	}
	return hosts
}

// Hosts asks each host of DATABASE_URL what it is. It returns none if there is only one.
func (db *DB) Hosts(ctx context.Context) []Host {
	return db.history.learn(ctx)
}

func askHost(ctx context.Context, c *pgconn.Config) Host {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	h := Host{Address: addressOf(c.Host, c.Port)}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		h.Err = fmt.Errorf("it can't be reached: %s", rootCause(err)) //nolint:err113 // for people; the cause has many lines
		return h
	}
	defer conn.Close(ctx) //nolint:errcheck // it holds nothing
	o, err := originOf(ctx, conn)
	h.Err, h.lineage, h.Timeline, h.Writable = err, o.lineage, o.timeline, !o.readOnly
	return h
}

// learn asks all hosts for their timelines.
func (n *newest) learn(ctx context.Context) []Host {
	found := iter.Map(n.hosts, func(c **pgconn.Config) Host { return askHost(ctx, *c) })
	for _, h := range found {
		_ = n.see(h.lineage) // an old one is refused when it is used
	}
	return found
}

// learnFirst is learn for a new connection, so that an old primary which has come back is
// not used by a process that has not seen the new one yet. Connections that are made at the
// same time ask once.
func (n *newest) learnFirst(ctx context.Context) {
	if n.hosts == nil {
		return
	}
	start := time.Now()
	n.learning.Lock()
	defer n.learning.Unlock()
	if n.learned.After(start) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	n.learn(ctx)
	n.learned = time.Now()
}

func (n *newest) keepLearning(ctx context.Context) {
	tick := time.NewTicker(hostsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.learn(ctx)
		}
	}
}
