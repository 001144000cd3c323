package cli

import (
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// slow is how long a call takes that a signal meets.
const slow = 2 * time.Second

// The first SIGTERM lets calls in flight end and makes no new ones.
func TestWorkStops(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			b := setup(t, standin.Config{Assets: 50})
			b.api.FailNext(standin.Repeat(4, standin.Delay(slow))...)
			id := b.enqueue(names(50))
			p := b.start("", "work", "--concurrency", "4")
			b.calls(4)
			p.signal(sig)
			r := p.wait().exits(exitOK)
			require.Contains(t, r.stderr, "stopped; 46 rows are left to send")
			require.Equal(t, 4, b.api.Calls())
			v := b.status(id)
			require.Equal(t, 4., v["succeeded"])
			require.Equal(t, 46., v["pending"])
			require.Equal(t, 0., v["sending"])
			b.ok("work", "--until-done")
			b.sentOnce(50)
		})
	}
}

// The second signal stops at once; what was in flight is taken up again.
func TestSecondSignal(t *testing.T) {
	b := setup(t, standin.Config{Assets: 2})
	b.api.FailNext(standin.Hang())
	id := b.enqueue(names(2))
	p := b.start("", "work", "--concurrency", "1")
	b.calls(1)
	p.signal(syscall.SIGTERM)
	// The first one has been taken once the default handling is back.
	require.Eventually(t, func() bool {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // or it has gone
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}, 10*time.Second, 50*time.Millisecond)
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.Equal(t, syscall.SIGTERM, status.Signal())
	require.Equal(t, 1., b.status(id)["sending"], "nobody knows what became of it")
}

// run, interrupted: nothing lost, nothing sent twice.
func TestRunInterrupted(t *testing.T) {
	b := setup(t, standin.Config{Assets: 200}).with("WEBFLOW_RATE_LIMIT", "50/1s")
	b.file("names.csv", names(200))
	p := b.start("", "run", "names.csv")
	b.calls(60)
	p.signal(syscall.SIGINT)
	r := p.wait().exits(exitError)
	require.Contains(t, r.errorLine(), "rows of batch 1 left; `relabel work --until-done` continues")
	require.Contains(t, r.stdout, "next: relabel work --until-done")
	require.Less(t, b.api.Calls(), 200)
	b.with("WEBFLOW_RATE_LIMIT", "none").ok("work", "--until-done")
	b.sentOnce(200)
	require.Equal(t, 200., b.status("1")["succeeded"])
}

// What is left of a rehearsal is cancelled: no worker may send it.
func TestRehearsalInterrupted(t *testing.T) {
	b := setup(t, standin.Config{}).with("WEBFLOW_RATE_LIMIT", "5/1m")
	b.file("names.csv", names(20))
	p := b.start("", "run", "names.csv", "--rehearse")
	b.until(`EXISTS (SELECT FROM batch WHERE succeeded = 5)`)
	p.signal(syscall.SIGINT)
	r := p.wait().exits(exitError)
	require.Contains(t, r.errorLine(), "the stand-in is gone, so the last 15 rows of batch 1 are cancelled")
	require.Equal(t, "cancelled", b.status("1")["status"])
}

// A killed rehearsal's rows are cancelled by the next one.
func TestRehearsalKilled(t *testing.T) {
	b := setup(t, standin.Config{}).with("WEBFLOW_RATE_LIMIT", "5/1m")
	b.file("names.csv", names(20))
	p := b.start("", "run", "names.csv", "--rehearse")
	b.until(`EXISTS (SELECT FROM batch WHERE succeeded = 5)`)
	p.signal(syscall.SIGKILL)
	<-p.done
	require.Eventually(t, func() bool { // until the database has noticed
		v := b.with("WEBFLOW_RATE_LIMIT", "none").ok("run", "names.csv", "--rehearse", "--json").json()
		return v["site"] == "rehearsal"
	}, patience, 100*time.Millisecond)
	v := b.status("1")
	require.Equal(t, "cancelled", v["status"])
	require.Equal(t, 15., v["cancelled"])
}

// A signal while rows come in through a pipe loads nothing.
func TestLoadInterrupted(t *testing.T) {
	for name, start := range map[string]string{"header": "", "rows": "asset_id,display_name\n" + standin.AssetID(0) + ",x\n"} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, standin.Config{})
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer w.Close() //nolint:errcheck // the program has ended by then
			p := b.startWith(r, "enqueue", "-")
			require.NoError(t, r.Close())
			_, err = io.WriteString(w, start)
			require.NoError(t, err)
			d := b.db()
			require.Eventually(t, func() bool { // until it has recorded who loads: the source is next
				var n int
				err := d.Pool().QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND pid <> pg_backend_pid() AND (query LIKE '%INTO audit%' OR query ILIKE 'copy %')`).Scan(&n)
				return err == nil && n > 0
			}, patience, 20*time.Millisecond)
			p.signal(syscall.SIGTERM)
			p.wait().fails(exitError, "interrupted")
			require.Empty(t, b.ok("status", "--json").json()["batches"])
		})
	}
}
