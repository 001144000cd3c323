package chaos

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/internal/standin"
)

// failsOver is the promised time from a promotion to the next call.
const failsOver = 30 * time.Second

// cluster is a stage whose database is a primary with a standby.
type cluster struct {
	*stage
	primary, standby *node
}

// newCluster starts both and waits until the standby streams. With inSync a commit waits for
// the standby.
func newCluster(t *testing.T, inSync bool) *cluster {
	t.Helper()
	admit(t)
	primary, standby := newNode(t, "primary"), newNode(t, "standby")
	primary.initialise()
	primary.start()
	standby.follow(primary)
	standby.start()
	c := &cluster{stage: stageOn(t, primary.socketURL(), 15, time.Second), primary: primary, standby: standby}
	c.dbURL = urlOf(primary, standby)
	state := "async"
	if inSync {
		c.exec(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
		c.exec(`SELECT pg_reload_conf()`)
		state = "sync"
	}
	c.eventually(recovery, "the standby follows", func() bool {
		return ask[bool](c.stage, `SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = $1)`, state)
	})
	return c
}

// failOver kills the primary and promotes the standby. It returns both times.
func (c *cluster) failOver() (killed, promoted time.Time) {
	c.Helper()
	killed = time.Now()
	c.primary.kill()
	c.standby.promote()
	promoted = time.Now()
	c.db = dbtest.Open(c.T, c.standby.socketURL())
	return killed, promoted
}

// returns starts the old primary as it was, without its standby: two servers accept writes.
func (c *cluster) returns() {
	c.Helper()
	c.primary.settings["synchronous_standby_names"] = ""
	c.primary.start()
}

// The primary is killed in the midst of a run, and its synchronous standby is promoted. Then
// the old primary comes back and accepts writes, as the first host of DATABASE_URL. Nobody
// uses it, neither old nor new processes.
func TestFailOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t, true)
	first := c.worker("first")
	c.waitRegistered(first)
	c.waitRegistered(c.worker("second"))
	batches := map[int64]int{c.enqueue(renames(outageRows, "value")): outageRows}
	c.waitCalls(40)
	killed, promoted := c.failOver()
	c.eventually(failsOver, "calls go on", func() bool { return c.callsBetween(promoted, time.Now()) > 0 })
	t.Logf("calls go on %.1f s after the promotion", time.Since(promoted).Seconds())
	c.returns()
	before := c.primary.traces()
	first.kill()
	c.waitRegistered(c.worker("third"))
	batches[c.enqueue(renames(20, "newer"))] = 20
	c.waitFinished(time.Now())
	require.Equal(t, before, c.primary.traces(), "somebody has worked with the old primary")
	for id, rows := range batches {
		require.Equal(t, rows, ask[int](c.stage, `SELECT count(*) FROM rename WHERE batch_id = $1`, id), "rows of batch %d", id)
	}
	c.checkAll()
	c.checkSentAgain(killed, promoted)
}

// The primary's machine loses its power: connections stay open, and new ones are not answered.
func TestFailOverFromSilence(t *testing.T) {
	t.Parallel()
	c := newCluster(t, true)
	p := newProxy(t, c.primary.addr)
	c.dbURL = withHost(t, c.dbURL, p.addr+","+c.standby.addr)
	c.waitRegistered(c.worker("worker"))
	c.enqueue(renames(100, "value"))
	c.waitCalls(20)
	p.silence(true)
	c.primary.kill()
	c.standby.promote()
	promoted := time.Now()
	c.db = dbtest.Open(t, c.standby.socketURL())
	c.eventually(failsOver, "calls go on", func() bool { return c.callsBetween(promoted, time.Now()) > 0 })
	t.Logf("calls go on %.1f s after the promotion", time.Since(promoted).Seconds())
	c.waitFinished(time.Now())
	c.checkAll()
}

// traces are what relabel writes wherever it works: calls, batches and heartbeats.
func (n *node) traces() string {
	n.t.Helper()
	return n.ask(`SELECT (SELECT count(*) FROM relabel.attempt) || ' calls, ' || (SELECT count(*) FROM relabel.batch) || ' batches, last beat '
		|| (SELECT max(heartbeat_at) FROM relabel.process)`)
}

// checkSentAgain checks that a value is sent again once at most, and only if its first call was
// in flight, or not recorded yet, when the primary or a worker was killed.
func (c *cluster) checkSentAgain(killed, promoted time.Time) {
	c.Helper()
	const recorded = 2 * time.Second // a finish takes milliseconds; the machine is busy
	calls := map[rename][]standin.Call{}
	for _, p := range c.patches() {
		v := rename{p.AssetID, *p.DisplayName}
		calls[v] = append(calls[v], p)
	}
	again := 0
	for v, of := range calls {
		require.LessOrEqual(c, len(of), 2, "%+v", v)
		if len(of) == 2 {
			again++
			require.True(c, of[0].AnsweredAt.After(killed.Add(-recorded)) || of[0].Status != http.StatusOK, "sent again without need: %+v", of)
		}
	}
	c.Logf("%d values were sent again; %.1f s without a primary", again, promoted.Sub(killed).Seconds())
}

// With asynchronous replication, the newest commits are lost with the primary. Calls that they
// recorded are made again. A batch that they accepted is not there, and is loaded again.
func TestFailOverLosesCommits(t *testing.T) {
	t.Parallel()
	c := newCluster(t, false)
	c.waitRegistered(c.worker("worker"))
	kept := c.enqueue(renames(60, "kept"))
	c.waitCalls(10)
	c.waitReplayed()
	c.standby.sql(`ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`)
	c.eventually(recovery, "the standby has left", func() bool { return ask[int](c.stage, `SELECT count(*) FROM pg_stat_replication`) == 0 })
	recorded := ask[int](c.stage, `SELECT count(*) FROM attempt`) // before 20 more rows: on a slow machine all others may have been sent
	file := c.csv(renames(20, "lost"))
	lost := c.enqueueFile(file)
	c.waitCalls(30)
	c.eventually(recovery, "calls are recorded", func() bool { return ask[int](c.stage, `SELECT count(*) FROM attempt`) >= recorded+10 })
	_, promoted := c.failOver()
	require.Zero(t, ask[int](c.stage, `SELECT count(*) FROM batch WHERE id = $1`, lost), "this test lost no commit")
	c.waitFinished(promoted)
	c.checkConserved()
	c.checkHonest()

	again := c.enqueueFile(file)
	c.waitFinished(time.Now())
	require.Equal(t, 20, ask[int](c.stage, `SELECT succeeded FROM batch WHERE id = $1`, again))
	require.Equal(t, 60, ask[int](c.stage, `SELECT succeeded + superseded FROM batch WHERE id = $1`, kept))
	c.checkHonest()
	c.checkAlone(0)
}

// waitReplayed waits until the standby has what the primary has committed by now.
func (c *cluster) waitReplayed() {
	c.Helper()
	at := c.primary.ask(`SELECT pg_current_wal_lsn()`)
	c.eventually(recovery, "the standby has it", func() bool { return c.standby.ask(`SELECT pg_last_wal_replay_lsn() >= '`+at+`'`) == "true" })
}

// A COMMIT gets no answer, and the new primary gives the transaction's number to another one. The
// outcome is unknown; it is not taken for stored.
func TestCommitLostInFailOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t, false)
	c.exec(slowCommit)
	c.waitReplayed()
	d, err := db.Open(t.Context(), pg.Config{URL: c.dbURL, MaxConns: 2, CommitWait: failsOver})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	tx := dbtest.Begin(t, c.db)
	_, err = tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(1)`)
	require.NoError(t, err)
	var id int64
	work := pool.New().WithErrors()
	work.Go(func() error {
		return d.InTx(t.Context(), func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), `INSERT INTO slow DEFAULT VALUES RETURNING pg_current_xact_id()::text::bigint`).Scan(&id)
		})
	})
	c.eventually(recovery, "it commits", func() bool {
		return c.primary.ask(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`) == "1"
	})
	c.failOver()
	c.eventually(recovery, "the number is used again", func() bool {
		return ask[int64](c.stage, `SELECT pg_current_xact_id()::text::bigint`) > id
	})
	require.ErrorIs(t, work.Wait(), pg.ErrCommitUnknown)
}

// slowCommit is a table whose transactions wait for an advisory lock in their COMMIT.
const slowCommit = `
CREATE TABLE slow ();
CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()`

// Several hosts are one database: its newest primary. One that is older is named.
func TestHosts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, false)
	d, err := pg.Open(t.Context(), pg.Config{URL: c.dbURL})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	require.Equal(t, []pg.Host{{Address: c.primary.addr, Timeline: 1, Writable: true}, {Address: c.standby.addr, Timeline: 1}}, known(d.Hosts(t.Context())))
	c.waitReplayed()
	unaware, err := pg.Open(t.Context(), pg.Config{URL: c.dbURL})
	require.NoError(t, err)
	t.Cleanup(unaware.Close)
	c.failOver()
	c.returns()
	var server string
	c.eventually(recovery, "a process that has not seen the new primary connects again", func() bool {
		return unaware.Pool().QueryRow(t.Context(), `SELECT host(inet_server_addr()) || ':' || inet_server_port()`).Scan(&server) == nil
	})
	require.Equal(t, c.standby.addr, server, "it uses the old primary, which the URL names first")
	require.Equal(t, []pg.Host{{Address: c.primary.addr, Timeline: 1, Writable: true}, {Address: c.standby.addr, Timeline: 2, Writable: true}}, known(d.Hosts(t.Context())))
	doctor := c.spawn("doctor", nil, "doctor")
	require.Error(t, doctor.wait())
	require.Contains(t, doctor.out.String(), c.primary.addr+" is an old primary")

	c.standby.kill()
	c.eventually(recovery, "its broken connections are gone, and it knows the new primary", func() bool {
		_, err = d.Now(t.Context())
		return errors.As(err, new(*pg.StaleError))
	})
	require.True(t, pg.Transient(err), "a worker waits")
	_, err = pg.Open(t.Context(), pg.Config{URL: urlOf(c.standby)})
	require.ErrorContains(t, err, c.standby.addr)
}

// known leaves what is the same everywhere out.
func known(hosts []pg.Host) (list []pg.Host) {
	for _, h := range hosts {
		list = append(list, pg.Host{Address: h.Address, Timeline: h.Timeline, Writable: h.Writable, Err: h.Err})
	}
	return list
}

// A process works with a primary that nobody has stopped, while a standby is promoted. It
// notices that by itself and goes over.
func TestSplitBrain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, false)
	id := c.waitRegistered(c.worker("worker"))
	c.enqueue(renames(10, "before"))
	c.waitFinished(time.Now())
	c.waitReplayed()
	c.standby.promote()
	c.db = dbtest.Open(t, c.standby.socketURL())
	c.beatsAgain(id)
	before := c.primary.traces()
	c.enqueue(renames(20, "after"))
	c.waitFinished(time.Now())
	c.checkAll()
	require.Equal(t, before, c.primary.traces())
	require.Equal(t, "0", c.primary.ask(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'relabel' AND client_addr IS NOT NULL`), "it still waits for notifications")
}
