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

// The database's clock is another one than ours: PostgreSQL runs with
// libfaketime, for a Go program's clock cannot be faked. A few seconds are told
// by the doctor; with more than 30 the process does not lead, and all is well
// all the same: nothing early, nothing hidden, the limit kept.
func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead time.Duration // the database's clock, of ours
		ill   bool          // for the doctor
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

// fakeTime finds libfaketime, which Debian has as package faketime.
func fakeTime(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Skip("libfaketime is not there: apt-get install faketime")
	return ""
}

// workSkewed runs rows that meet every kind of wait: a failure's back-off, a
// 429's Retry-After, a job put back by hand.
func (s *stage) workSkewed(ill, leads bool) {
	const n = 60
	doctor := s.spawn("doctor", nil, "doctor")
	require.Equal(s, ill, doctor.wait() != nil, doctor.out.String())
	if ill {
		require.Contains(s, doctor.out.String(), "clock differs")
	}
	s.api.FailAsset(standin.AssetID(0), standin.Repeat(2, standin.Status(500))...)
	s.api.FailAsset(standin.AssetID(1), standin.RateLimited("5"))
	s.registered(s.worker("first"))
	s.registered(s.worker("second"))
	start := time.Now()
	s.enqueue(renames(n, "value"))
	s.calls(10)
	s.exec(`UPDATE river_job SET state = 'retryable' WHERE state = 'available' AND id % 2 = 0`)
	s.Logf("at rest after %.1f s", s.rests(start).Seconds())
	s.checkAll()
	s.checkSucceeded(n)
	s.checkStoppedFor(5 * time.Second)
	require.Equal(s, leads, ask[bool](s, `SELECT EXISTS (SELECT FROM river_leader)`))
}

// checkStoppedFor checks that no call was sent for so long after the 429 was
// answered, but those that were on their way.
func (s *stage) checkStoppedFor(d time.Duration) {
	s.Helper()
	const onTheWay = 2 * time.Second // on a machine with much else to do
	var refused time.Time
	for _, c := range s.api.Log() {
		if c.Status == 429 {
			refused = c.AnsweredAt
		}
	}
	require.False(s, refused.IsZero(), "the 429 was never met")
	require.Zero(s, s.callsBetween(refused.Add(onTheWay), refused.Add(d)), "calls while the lane was stopped")
}

// shiftClock runs the server again with its clock moved.
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
		<-ended //nolint:errcheck // it was told to end
	})
	require.Eventually(t, func() bool { return len(ended) > 0 || s.isShifted(t, by) }, time.Minute, poll, "the server with another clock")
	require.Empty(t, ended, said.String())
}

// isShifted connects, and looks at the server's clock.
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

// commandAs runs a command as the owner of the data folder, who is not root.
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
