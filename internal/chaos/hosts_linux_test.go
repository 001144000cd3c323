package chaos

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	random "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

// cutOff is how long hosts are cut off: longer than a lease, so that what a worker may do on
// its own ends meanwhile.
const cutOff = lease + 3*time.Second

// hosts is a stage on five hosts: the database, the API, and three workers.
type hosts struct {
	*stage
	lan *lan
	env []string // of the workers

	mu       sync.Mutex
	arrivals []arrival
	away     []absence
}

// arrival is a call, and the host that it came from.
type arrival struct {
	ip string
	at time.Time
}

// absence is when a worker did not reach the database.
type absence struct {
	ip       string
	from, to time.Time
}

// newHosts makes the hosts. The database's clock differs from the others' by clock. It must
// not be behind where the network is slow: a signal that interrupts PostgreSQL's epoll_wait
// sees the real time under libfaketime, so PostgreSQL would end healthy transactions for
// being idle.
func newHosts(t *testing.T, clock time.Duration) *hosts {
	t.Helper()
	admit(t)
	h := &hosts{lan: newLAN(t, "database", "api", "one", "two", "three")}
	n := newNode(t, "hosts")
	n.initialise()
	db := h.lan.hosts["database"]
	n.addr = net.JoinHostPort(db.ip, "5432")
	n.command = append(db.command(), "--setuid", strconv.Itoa(n.account()), "--setgid", strconv.Itoa(int(gidOf(t, n.dir))),
		// Only the server gets the library: as root, nsenter would lock its semaphore.
		"env", "LD_PRELOAD="+fakeTime(t), fmt.Sprintf("FAKETIME=%+.0fs", clock.Seconds()), "FAKETIME_DONT_FAKE_MONOTONIC=1")
	n.start()
	h.stage = &stage{T: t, db: dbtest.Open(t, n.socketURL()), dbURL: n.socketURL(), limit: 15, window: time.Second}
	t.Cleanup(h.explain)
	h.startAPI()
	h.env = append(h.env, "DATABASE_URL=postgres://relabel@"+n.addr+"/postgres?sslmode=disable")
	h.startWorkers()
	return h
}

// startAPI serves the stand-in on its host. relabel sends its token over TLS only.
func (h *hosts) startAPI() {
	h.Helper()
	host := h.lan.hosts["api"]
	h.api = standin.New(standin.Config{
		Seed: uint64(time.Now().UnixNano()), CreateUnknown: true, Tokens: []string{token},
		Limit: h.limit, Window: h.window, Latency: 30 * time.Millisecond, Jitter: 30 * time.Millisecond,
	})
	cert, file := certificate(h.T, host.ip)
	l := host.listen(h.T, "443")
	server := &http.Server{
		Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: cutOff,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		ErrorLog:  log.New(io.Discard, "", 0), // workers that are killed break their handshakes
	}
	var served sync.WaitGroup
	served.Go(func() { _ = server.ServeTLS(l, "", "") })
	h.Cleanup(func() {
		h.api.Close()
		_ = server.Close()
		served.Wait()
	})
	h.apiURL = "https://" + host.ip + "/v2"
	h.env = append(h.env, "SSL_CERT_FILE="+file)
}

// serve notes where a call comes from, and hands it to the stand-in.
func (h *hosts) serve(w http.ResponseWriter, r *http.Request) {
	from, _, _ := net.SplitHostPort(r.RemoteAddr)
	h.mu.Lock()
	h.arrivals = append(h.arrivals, arrival{from, time.Now()})
	h.mu.Unlock()
	h.api.ServeHTTP(w, r)
}

// certificate returns a certificate for an address, and the file that makes a client trust it.
func certificate(t *testing.T, ip string) (cert tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file = filepath.Join(t.TempDir(), "api.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// startWorkers starts a worker on each host. The third one has been running for a day longer
// by its monotonic clock.
func (h *hosts) startWorkers() {
	h.Helper()
	for _, name := range h.workers() {
		h.within = h.lan.hosts[name].command()
		if name == "three" {
			h.within = append(h.within, "unshare", "--time", "--monotonic", "86400", "--boottime", "86400", "--fork", "--kill-child")
		}
		h.worker(name, h.env...)
	}
	h.within = nil
	h.eventually(recovery, "all workers have a heartbeat", func() bool { return ask[int](h.stage, `SELECT count(*) FROM process`) == 3 })
}

func (h *hosts) workers() []string { return []string{"one", "two", "three"} }

// way is how a host is cut off.
type way string

const (
	silently  way = "silently"          // frames disappear
	unplugged way = "unplugged"         // the host's kernel notices
	fromDB    way = "from the database" // the API is still there
)

// isolate cuts hosts off for a while and joins them again.
func (h *hosts) isolate(w way, names ...string) {
	h.Helper()
	h.Logf("%v cut off %s", names, w)
	for _, name := range names {
		h.setIsolated(w, h.lan.hosts[name], true)
	}
	from := time.Now()
	h.eventually(2*cutOff, "hosts were cut off for long enough", func() bool { return time.Since(from) > cutOff })
	to := time.Now()
	for _, name := range names {
		h.setIsolated(w, h.lan.hosts[name], false)
		h.noteAbsence(name, from, to)
	}
}

func (h *hosts) setIsolated(w way, host *host, off bool) {
	h.Helper()
	switch {
	case w == unplugged && off:
		host.unplug(h.T)
	case w == unplugged:
		host.plug(h.T)
	default:
		for _, other := range h.lan.hosts {
			if other != host && (w == silently || other.name == "database") {
				h.lan.wire.setCut(host, other, off)
			}
		}
	}
}

func (h *hosts) noteAbsence(name string, from, to time.Time) {
	for _, worker := range h.workers() {
		if name == worker || name == "database" {
			h.away = append(h.away, absence{h.lan.hosts[worker].ip, from, to})
		}
	}
}

// checkHosts checks what must hold at rest, and that no worker made a call without the
// database after its lease.
func (h *hosts) checkHosts() {
	h.Helper()
	h.checkConserved()
	h.checkHonest()
	h.checkOrder()
	h.checkAlone(noticed)
	h.checkBudget()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.away {
		for _, c := range h.arrivals {
			late := c.ip == a.ip && c.at.After(a.from.Add(lease)) && c.at.Before(a.to)
			require.False(h, late, "a call of %s %s after the database was gone", c.ip, c.at.Sub(a.from))
		}
	}
}

// callsOf counts a host's calls since a time.
func (h *hosts) callsOf(name string, since time.Time) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.arrivals {
		if c.ip == h.lan.hosts[name].ip && c.at.After(since) {
			n++
		}
	}
	return n
}

// Hosts are cut off and joined again, one at a time and in pairs, with connections that stay half
// open. The clocks of the hosts differ.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	h := newHosts(t, -7*time.Second)
	h.enqueue(renames(400, "value"))
	h.waitCalls(20)
	began := time.Now()
	h.isolate(fromDB, "one")
	require.NotZero(t, h.callsOf("two", began)+h.callsOf("three", began), "the others work")
	h.enqueue(renames(60, "newer"))
	began = time.Now()
	h.isolate(silently, "two", "three")
	require.NotZero(t, h.callsOf("one", began), "it works alone")
	h.isolate(silently, "database")
	t.Logf("at rest %.1f s after the last fault", h.waitFinished(time.Now()).Seconds())
	h.checkHosts()
}

// The network is slow and loses frames all the time, and the kernel notices each host that is cut
// off.
func TestManyHostsOnSlowNetwork(t *testing.T) {
	t.Parallel()
	h := newHosts(t, 20*time.Second)
	h.lan.wire.slow(200*time.Millisecond, 0.02)
	h.enqueue(renames(120, "value"))
	h.waitCalls(20)
	h.isolate(unplugged, "one")
	h.enqueue(renames(30, "newer"))
	h.isolate(unplugged, "api", "two")
	h.isolate(unplugged, "database")
	t.Logf("at rest %.1f s after the last fault", h.waitFinished(time.Now()).Seconds())
	h.checkHosts()
}

// With -chaos.hosts it cuts hosts off at random for that long.
func TestRandomHosts(t *testing.T) {
	t.Parallel()
	if *hostsFlag == 0 {
		t.Skip("it runs for as long as -chaos.hosts says")
	}
	seed := cmp.Or(*seedFlag, uint64(time.Now().UnixNano()))
	t.Logf("-chaos.seed=%d", seed)
	rnd := random.New(random.NewPCG(seed, 1))
	h := newHosts(t, time.Duration(rnd.IntN(21))*time.Second)
	for i, end := 0, time.Now().Add(*hostsFlag); time.Now().Before(end); i++ {
		h.enqueue(renames(10+rnd.IntN(150), fmt.Sprintf("load %d", i)))
		h.lan.wire.slow(time.Duration(rnd.IntN(200))*time.Millisecond, 0.03*rnd.Float64())
		names := []string{"database", "api", "one", "two", "three"}
		rnd.Shuffle(len(names), func(a, b int) { names[a], names[b] = names[b], names[a] })
		w := []way{silently, unplugged}[rnd.IntN(2)]
		h.isolate(w, names[:1+rnd.IntN(2)]...)
	}
	h.lan.wire.slow(0, 0)
	h.waitFinished(time.Now())
	h.checkHosts()
}
