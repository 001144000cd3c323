package chaos

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/embedpg"
)

// node is a PostgreSQL of our own that listens on TCP and may replicate. The package embedpg
// has neither, so a node runs initdb and pg_basebackup itself.
type node struct {
	t        *testing.T
	name     string
	dir      string // its socket is here, its data in dir/data
	addr     string // host:port
	settings map[string]string
	command  []string // before the server's own, such as nsenter

	server *exec.Cmd
	said   buffer
	ended  chan struct{}
}

//nolint:gochecknoglobals // what all nodes share
var (
	blankOnce sync.Once
	blankData string
)

// newNode is a node without data, on an address of its own.
func newNode(t *testing.T, name string) *node {
	t.Helper()
	number := nodes.Add(1)
	dir := filepath.Join(workDir, fmt.Sprintf("%s-%d", name, number))
	n := &node{t: t, name: name, dir: dir, addr: ownAddress(number), settings: map[string]string{}}
	require.NoError(t, os.Mkdir(dir, 0o755)) // the server's account enters it
	require.NoError(t, os.Chown(dir, n.account(), -1))
	t.Cleanup(n.kill)
	return n
}

// ownAddress is an address of this machine that nobody else uses, so that a node finds its port
// free when it starts again.
func ownAddress(number int64) string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d:5432", 100+pid%100, pid/100%250, 1+number)
}

// account is the user id that runs the servers of this package: PostgreSQL refuses root.
func (n *node) account() int {
	n.t.Helper()
	s, err := server()
	require.NoError(n.t, err)
	st, err := embedpg.Inspect(n.t.Context(), s.cfg)
	require.NoError(n.t, err)
	info, err := os.Stat(st.DataDir)
	require.NoError(n.t, err)
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

func (n *node) binDir() string {
	n.t.Helper()
	s, err := server()
	require.NoError(n.t, err)
	st, err := embedpg.Inspect(n.t.Context(), s.cfg)
	require.NoError(n.t, err)
	return st.BinDir
}

// skipOrFail ends a test that this machine can't run. RELABEL_REQUIRE_HOSTS says that it must.
func skipOrFail(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("RELABEL_REQUIRE_HOSTS") != "" {
		t.Fatal(why + ", and RELABEL_REQUIRE_HOSTS wants them")
	}
	t.Skip(why)
}

// program prepares one of PostgreSQL's programs.
func (n *node) program(name string, args ...string) *exec.Cmd {
	n.t.Helper()
	list := slices.Concat(n.command, []string{filepath.Join(n.binDir(), name)}, args)
	cmd := exec.Command(list[0], list[1:]...)
	cmd.Dir = n.dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + n.dir}
	if n.command == nil && os.Geteuid() == 0 { // nsenter changes to the account by itself
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(n.account()), Gid: gidOf(n.t, n.dir)}}
	}
	return cmd
}

func gidOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Sys().(*syscall.Stat_t).Gid
}

func (n *node) run(name string, args ...string) {
	n.t.Helper()
	out, err := n.program(name, args...).CombinedOutput()
	require.NoError(n.t, err, "%s: %s", name, out)
}

func (n *node) data() string { return filepath.Join(n.dir, "data") }

// initialise makes a migrated database, a copy of one that all nodes share.
func (n *node) initialise() {
	n.t.Helper()
	blankOnce.Do(func() {
		blank := newNode(n.t, "blank")
		blank.initdb()
		blank.start()
		require.NoError(n.t, dbtest.Open(n.t, blank.socketURL()).Migrate(n.t.Context()))
		blank.run("pg_ctl", "-D", blank.data(), "-m", "fast", "-w", "stop")
		blankData = blank.data()
	})
	require.NotEmpty(n.t, blankData, "the database that is copied could not be made")
	out, err := exec.Command("cp", "-a", blankData, n.data()).CombinedOutput()
	require.NoError(n.t, err, "%s", out)
}

// initdb makes a cluster whose role needs no password: passwords are tested elsewhere.
func (n *node) initdb() {
	n.t.Helper()
	n.run("initdb", "-D", n.data(), "--username=relabel", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	hba := "local all all trust\nhost all all all trust\nlocal replication all trust\nhost replication all all trust\n"
	require.NoError(n.t, os.WriteFile(filepath.Join(n.data(), "pg_hba.conf"), []byte(hba), 0o644))
}

// follow makes a standby of another node.
func (n *node) follow(primary *node) {
	n.t.Helper()
	if _, err := os.Stat(filepath.Join(n.binDir(), "pg_basebackup")); err != nil {
		skipOrFail(n.t, "this PostgreSQL has no pg_basebackup: standbys are not tested")
	}
	n.run("pg_basebackup", "-D", n.data(), "-d", primary.socketURL()+"&application_name="+n.name, "-R", "--checkpoint=fast", "--no-sync")
}

func (n *node) start() {
	n.t.Helper()
	host, port, err := net.SplitHostPort(n.addr)
	require.NoError(n.t, err)
	settings := map[string]string{
		"listen_addresses": host, "port": port, "unix_socket_directories": n.dir, "fsync": "off", "shared_buffers": "16MB",
		"max_connections": "100", "wal_level": "replica", "wal_log_hints": "on", "wal_keep_size": "256MB", "hot_standby": "on",
	}
	maps.Copy(settings, n.settings)
	args := []string{"-D", n.data()}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", k+"="+settings[k])
	}
	n.server, n.ended = n.program("postgres", args...), make(chan struct{})
	n.server.Stdout, n.server.Stderr = &n.said, &n.said
	require.NoError(n.t, n.server.Start())
	go func(server *exec.Cmd, ended chan struct{}) {
		_ = server.Wait()
		close(ended)
	}(n.server, n.ended)
	require.Eventually(n.t, func() bool { return n.hasEnded() || n.answers() }, time.Minute, poll, "%s answers", n.name)
	require.False(n.t, n.hasEnded(), n.said.String())
}

func (n *node) hasEnded() bool {
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

func (n *node) answers() bool {
	conn, err := pgx.Connect(n.t.Context(), n.socketURL())
	if err != nil {
		return false
	}
	return conn.Close(n.t.Context()) == nil
}

// kill ends the server at once, as a lost machine does.
func (n *node) kill() {
	if n.server != nil {
		_ = n.server.Process.Signal(syscall.SIGQUIT)
		<-n.ended
	}
}

// ask returns the first column of a query's only row, as text.
func (n *node) ask(sql string) (v string) {
	n.t.Helper()
	conn, err := pgx.Connect(n.t.Context(), n.socketURL())
	require.NoError(n.t, err)
	defer conn.Close(n.t.Context()) //nolint:errcheck // nothing is lost with it
	require.NoError(n.t, conn.QueryRow(n.t.Context(), `SELECT coalesce((`+sql+`)::text, '')`).Scan(&v))
	return v
}

// sql runs statements, also on a standby.
func (n *node) sql(statements ...string) {
	n.t.Helper()
	conn, err := pgx.Connect(n.t.Context(), n.socketURL())
	require.NoError(n.t, err)
	defer conn.Close(n.t.Context()) //nolint:errcheck // nothing is lost with it
	for _, s := range statements {
		_, err := conn.Exec(n.t.Context(), s)
		require.NoError(n.t, err, s)
	}
}

func (n *node) promote() {
	n.t.Helper()
	n.run("pg_ctl", "-D", n.data(), "-w", "promote")
}

// socketURL is the node's address for this process, whatever happens to its network.
func (n *node) socketURL() string {
	_, port, _ := net.SplitHostPort(n.addr)
	return "postgres://relabel@/postgres?sslmode=disable&host=" + url.QueryEscape(n.dir) + "&port=" + port
}

// urlOf is a DATABASE_URL with several hosts.
func urlOf(nodes ...*node) string {
	var hosts []string
	for _, n := range nodes {
		hosts = append(hosts, n.addr)
	}
	return "postgres://relabel@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable&target_session_attrs=read-write"
}
