package cli

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// useUp sends as many calls as the limit has, from a batch that is not done then.
func (b *testBundle) useUp(limit int) (worker *process) {
	b.t.Helper()
	b.enqueue(names(3*limit), "--name", "busy")
	worker = b.start("", "work")
	b.calls(limit)
	return worker
}

// clockTime is a time within minutes, which shortly before midnight is tomorrow's.
const clockTime = `(\d\d:\d\d:\d\d|\w+ \d+ \w+ \d\d:\d\d)`

// A reading of the site says how many calls it takes, why it waits and when it ends,
// also where standard error is no terminal.
func TestReadingWaits(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 300}).with("WEBFLOW_RATE_LIMIT", "10/1m")
	b.useUp(10)
	b.file("n.csv", names(200))
	b.file("byname.csv", "current_name,display_name\nasset-000001.jpg,x.jpg\n")
	for _, args := range [][]string{
		{"enqueue", "byname.csv"},
		{"plan", "n.csv"},
		{"pull", "-o", "all.csv"},
		{"run", "n.csv", "--plan"},
		{"enqueue", "n.csv", "--snapshot"},
	} {
		p := b.start("", args...)
		p.says("reading the site: ")
		require.NoError(t, p.cmd.Process.Kill())
		<-p.done
		require.Regexp(t, `reading the site: (\d of \d calls done, )?waiting for the rate limit: 10 of 10 calls in 1 min are used, also by batch 1, (next call|ends) `+clockTime+` \(in (\d+ s|1 min)\)`, p.stderr.String(), args)
	}
}

// The second of two windows of a reading has an end, too. How many calls are done when it is
// said depends on the machine: calls that are let through may still wait for their answers.
func TestReadingEnds(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 1500}).with("WEBFLOW_RATE_LIMIT", "10/8s")
	r := b.ok("pull", "-o", "all.csv")
	require.Regexp(t, `(?m)^reading the site: \d+ of 15 calls done, waiting for the rate limit: 10 of 10 calls in 8 s are used, ends `+clockTime+` \(in \d+ s\)$`, r.stderr)
}

// A load says how far it is while its source is slow.
func TestLoadingWaits(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	in, out := io.Pipe()
	p := b.startWith(in, "enqueue", "-")
	_, err := io.WriteString(out, names(3)+strings.Repeat("\n", 100_000)) // more than is buffered
	require.NoError(t, err)
	p.says("loading standard input: ")
	require.NoError(t, out.Close())
	p.wait().exits(exitOK)
	require.Regexp(t, `(?m)^loading standard input: \d rows read, for \d s$`, p.stderr.String())
}

// A database that does not answer is named as what the command waits for.
func TestDatabaseDoesNotAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // only listened to
	b := setupPrivate(t, standin.Config{}).with("DATABASE_URL", "postgres://u:secret-of-u@"+l.Addr().String()+"/d")
	for _, args := range [][]string{{"status"}, {"migrate", "status"}} {
		p := b.start("", args...)
		p.says("connecting to the database, which has 10 s to answer: for ")
		p.signal(syscall.SIGINT)
		p.wait().fails(exitError, "interrupted")
	}
}

// Ctrl-C says what the end waits for.
func TestStoppingWaits(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3, Latency: 5 * time.Second})
	b.file("n.csv", names(3))
	p := b.start("", "run", "n.csv")
	b.calls(3) // all rows are in flight: none is left
	p.signal(syscall.SIGINT)
	p.says("stopping: waiting for the calls in flight, at most 30 s: for ")
	p.wait().exits(exitOK)
}

// A database that goes away is named once, and so is its return.
func TestOutage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := outage{app: newApp(Params{Err: &out})}
	for _, err := range []error{nil, errors.New("broken"), errors.New("broken"), nil, nil} {
		o.note(err)
	}
	require.Equal(t, "warning: the database does not answer (broken); trying again until it does, Ctrl-C stops\nthe database answers again\n", out.String())
}
