//go:build unix

package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/embedpg"
	"relabel/internal/pg"
)

//nolint:gochecknoglobals // flags, and what all tests share
var (
	seedFlag  = flag.Uint64("chaos.seed", 0, "seed of the random run; 0: a new one each time")
	raceFlag  = flag.Bool("chaos.race", false, "build the processes with the race detector too")
	idleFlag  = flag.Duration("chaos.idle", 20*time.Second, "how long TestIdle measures")
	fleetFlag = flag.String("chaos.fleet", "60x30x2@6/5s", "how large TestFleet is: SITESxROWSxPROCESSES@LIMIT/WINDOW")
	longFlag  = flag.Duration("chaos.long", 0, "how long the random run causes faults; 0: 20 s")

	hostsFlag = flag.Duration("chaos.hosts", 0, "how long hosts are cut off at random; 0: not at all")

	// Folders of this test process. The account that runs PostgreSQL can enter them.
	workDir string
	dataDir string // of the servers, in memory if possible

	nodes atomic.Int64 // servers of their own made so far

	binary = sync.OnceValues(build)
	server = sync.OnceValues(startServer)
)

// atOnce is how many tests run at the same time, if the machine keeps up (admit). It does
// not depend on the number of CPUs, because the tests mostly wait for a lease or a heartbeat
// to end. If all ran at once, two CPUs would need half a minute to start their processes.
const atOnce = "20"

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	flag.Parse()
	dbtest.ChoosePrograms()
	must(flag.Set("test.parallel", atOnce))
	workDir, dataDir = makeDir(""), makeDir(memory())
	defer func() { must(errors.Join(os.RemoveAll(workDir), os.RemoveAll(dataDir))) }()
	defer stopServer()
	return m.Run()
}

func makeDir(parent string) string {
	dir, err := os.MkdirTemp(parent, "relabel-chaos-")
	must(err)
	must(os.Chmod(dir, 0o755))
	return dir
}

// memory is a folder in memory, if TMPDIR names no other and there is room for the tests'
// hundred databases and the WAL. Each database has 400 files, which take a disk long.
func memory() string {
	const path, room = "/dev/shm", 4 << 30
	var s syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(path, &s) != nil || uint64(s.Bavail)*uint64(s.Bsize) < room {
		return ""
	}
	return path
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// build makes the binary with failpoints that all tests run. The race detector is
// optional, because dozens of such processes make two CPUs too slow for the deadlines.
func build() (string, error) {
	path := filepath.Join(workDir, "relabel")
	args := []string{"build", "-tags", "failpoints", "-o", path}
	if *raceFlag {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "relabel/cmd/relabel")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("error building relabel: %w\n%s", err, out)
	}
	return path, nil
}

// pgServer is a PostgreSQL of our own. It is reachable over TCP, so that a proxy
// can be put before it, and tests may restart it.
type pgServer struct {
	cfg embedpg.Config
	url string // over TCP

	databases atomic.Int64 // number of databases made so far

	mu   sync.Mutex
	open *embedpg.Server
}

// startServer starts the server of all tests that do not restart theirs.
func startServer() (*pgServer, error) {
	s, err := newServer(filepath.Join(dataDir, "pg"))
	if err != nil {
		return nil, err
	}
	return s, s.migrate("postgres") // the tests' databases are copies of it
}

// newDatabase makes a migrated database. It is never dropped, because dropping would
// wait for all backends of the server, which are busy with other tests.
func (s *pgServer) newDatabase(ctx context.Context) (string, error) {
	return s.copyDatabase(ctx, "postgres")
}

func (s *pgServer) copyDatabase(ctx context.Context, template string) (string, error) {
	name := fmt.Sprintf("chaos_%d", s.databases.Add(1))
	u, err := url.Parse(s.url)
	if err != nil {
		return "", fmt.Errorf("error reading the server's URL: %w", err)
	}
	u.Path = "/template1" // a database with connections cannot be copied
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return "", fmt.Errorf("error connecting to the server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY FILE_COPY"); err != nil {
		return "", fmt.Errorf("error making a database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

func (s *pgServer) migrate(database string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	u, err := url.Parse(s.url)
	if err != nil {
		return fmt.Errorf("error reading the server's URL: %w", err)
	}
	u.Path = "/" + database
	d, err := db.Open(ctx, pg.Config{URL: u.String()})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Migrate(ctx)
}

func stopServer() {
	if s, err := server(); s != nil && err == nil {
		must(s.close())
	}
}

func newServer(stateDir string) (*pgServer, error) {
	s := &pgServer{cfg: embedpg.Config{
		StateDir: stateDir,
		// With a hundred databases autovacuum would start a worker twice a second.
		Settings: map[string]string{"fsync": "off", "autovacuum": "off", "max_connections": "600", "shared_buffers": "64MB"},
	}}
	if err := s.start(); err != nil {
		return nil, err
	}
	var err error
	s.url, err = overTCP(s.open.URL())
	return s, err
}

// overTCP returns a URL over TCP for the server, which itself has a Unix socket
// only. It forwards connections as long as this process runs.
func overTCP(socketURL string) (string, error) {
	u, err := url.Parse(socketURL)
	if err != nil {
		return "", fmt.Errorf("error reading the server's URL: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("error listening for the server: %w", err)
	}
	go forward(l, filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port")))
	u.Host = l.Addr().String()
	u.RawQuery = "sslmode=disable"
	return u.String(), nil
}

func forward(l net.Listener, socket string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", socket)
		if err != nil {
			_ = client.Close() // the server is down
			continue
		}
		go copyAndClose(client, server)
		go copyAndClose(server, client)
	}
}

func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from) // however it ends, the other side is to know
	_, _ = to.Close(), from.Close()
}

// start starts the server, also after a crash.
func (s *pgServer) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	open, err := embedpg.Open(ctx, s.cfg)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = open
		return nil
	}
	return open.Close(ctx) // the first one keeps it running
}

func (s *pgServer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if s.open == nil {
		return errors.New("the server was never started")
	}
	return s.open.Close(ctx)
}
