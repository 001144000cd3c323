//go:build unix

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/embedpg"
	"relabel/internal/standin"
)

// The database's clock differs from ours. PostgreSQL runs with libfaketime, because it
// cannot fake a Go program's clock. The doctor reports a few seconds. With more than 30
// the process does not become River's leader. In all cases nothing is sent early,
// nothing is lost, and the limit is kept.
func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead time.Duration // the database's clock, compared with ours
		ill   bool          // the doctor reports it
		leads bool
	}{
		{0, false, true},
		{5 * time.Second, true, true},
		{-5 * time.Second, true, true},
		{10 * time.Minute, true, false},
		{-10 * time.Minute, true, false},
	} {
		t.Run(c.ahead.String(), func(t *testing.T) {
			t.Parallel()
			library := fakeTime(t)
			s, pg := newStageWithServer(t, 20, time.Second)
			pg.shiftClock(t, library, c.ahead)
			s.db.Pool().Reset()
			s.workSkewed(c.ill, c.leads)
		})
	}
}

// fakeTime finds libfaketime (Debian package faketime).
func fakeTime(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Skip("libfaketime is not installed: apt-get install faketime")
	return ""
}

// workSkewed sends rows that have to wait for every reason: the back-off after a failure,
// the Retry-After of a 429, and a job that was changed by hand.
func (s *stage) workSkewed(ill, leads bool) {
	const n = 60
	doctor := s.spawn("doctor", nil, "doctor")
	require.Equal(s, ill, doctor.wait() != nil, doctor.out.String())
	if ill {
		require.Contains(s, doctor.out.String(), "clock differs")
	}
	s.api.FailAsset(standin.AssetID(0), standin.Repeat(2, standin.Status(500))...)
	s.api.FailAsset(standin.AssetID(1), standin.RateLimited("5"))
	s.waitRegistered(s.worker("first"))
	s.waitRegistered(s.worker("second"))
	start := time.Now()
	s.enqueue(renames(n, "value"))
	s.waitCalls(10)
	s.exec(`UPDATE river_job SET state = 'retryable' WHERE state = 'available' AND id % 2 = 0`)
	s.Logf("at rest after %.1f s", s.waitFinished(start).Seconds())
	s.checkAll()
	s.checkSucceeded(n)
	s.checkStoppedFor(5 * time.Second)
	require.Equal(s, leads, ask[bool](s, `SELECT EXISTS (SELECT FROM river_leader)`))
}

// checkStoppedFor checks that no call was sent for d after the 429, except those that
// were on their way.
func (s *stage) checkStoppedFor(d time.Duration) {
	s.Helper()
	const onTheWay = 2 * time.Second // on a busy machine
	var refused time.Time
	for _, c := range s.api.Log() {
		if c.Status == 429 {
			refused = c.AnsweredAt
		}
	}
	require.False(s, refused.IsZero(), "no call got the 429")
	require.Zero(s, s.callsBetween(refused.Add(onTheWay), refused.Add(d)), "calls while the lane was stopped")
}

// shiftClock restarts the server with another clock.
func (s *pgServer) shiftClock(t *testing.T, library string, by time.Duration) {
	t.Helper()
	st, err := embedpg.Inspect(t.Context(), s.cfg)
	require.NoError(t, err)
	args, err := os.ReadFile("/proc/" + strconv.Itoa(st.PID) + "/cmdline")
	require.NoError(t, err)
	s.crash(t)
	cmd := commandAs(t, st.DataDir, bytes.Split(bytes.TrimRight(args, "\x00"), []byte{0}))
	cmd.Env = []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "FAKETIME_DONT_FAKE_MONOTONIC=1",
		"LD_PRELOAD=" + library, fmt.Sprintf("FAKETIME=%+.0fs", by.Seconds()),
	}
	var said buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		<-ended //nolint:errcheck // the signal ended it
	})
	require.Eventually(t, func() bool { return len(ended) > 0 || s.isShifted(t, by) }, time.Minute, poll, "the server with another clock")
	require.Empty(t, ended, said.String())
}

// isShifted connects, and compares the server's clock.
func (s *pgServer) isShifted(t *testing.T, by time.Duration) bool {
	conn, err := pgx.Connect(t.Context(), s.url)
	if err != nil {
		return false
	}
	defer conn.Close(t.Context()) //nolint:errcheck // nothing is lost with it
	var now time.Time
	if err := conn.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return false
	}
	return (time.Until(now) - by).Abs() < time.Second
}

// commandAs makes a command that runs as the owner of the data folder, who is not root.
func commandAs(t *testing.T, dataDir string, args [][]byte) *exec.Cmd {
	t.Helper()
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = string(a)
	}
	info, err := os.Stat(dataDir)
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	cmd := exec.Command(list[0], list[1:]...)
	cmd.Dir = dataDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
	return cmd
}
