//go:build unix

package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
)

const (
	// shortTrouble leaves time to finish within about a minute. What a killed process
	// held is free after half a minute.
	shortTrouble = 20 * time.Second

	randomTargets = 60 // few, so that batches have common targets
	randomWorkers = 3

	leastLoads = 5 // however slow the machine is
)

// TestRandom causes random faults of every kind at once. At the end it checks that no row
// was lost, no old name won, no calls overlapped, and the limit was kept. A seed repeats
// the choices, not the timing.
func TestRandom(t *testing.T) {
	t.Parallel()
	seed := cmp.Or(*seedFlag, uint64(time.Now().UnixNano()))
	t.Logf("-chaos.seed=%d", seed)
	r := newRandomRun(t, seed)
	end := time.Now().Add(cmp.Or(*longFlag, shortTrouble))
	var all sync.WaitGroup
	loaded, hugeLoaded := make(chan struct{}), make(chan struct{})
	all.Go(func() { defer close(loaded); r.loadUntil(end) })
	all.Go(func() { defer close(hugeLoaded); r.loadHugeUntil(loaded) })
	all.Go(func() { r.troubleUntil(hugeLoaded) })
	stopWatching := r.watchFinals()
	all.Wait()
	r.stopTrouble()
	calm := time.Now()
	r.waitAllFinished()
	t.Logf("at rest %.1f s after the last fault: %d calls for %d rows of %d batches; %v", time.Since(calm).Seconds(),
		r.api.Calls(), ask[int](r.stage, `SELECT count(*) FROM rename`), ask[int](r.stage, `SELECT count(*) FROM batch`), r.done)
	changed := stopWatching()
	r.check()
	for _, c := range changed {
		require.True(t, r.retried[c.batch], "a final status changed: %+v", c)
	}
}

// randomRun is a stage with random numbers, and what the run did so far.
type randomRun struct {
	*stage
	seed     uint64
	rnd      *rand.Rand // for faults; the loads have their own
	loadRnd  *rand.Rand
	env      []string // of all processes
	direct   []string // of processes that reach the database without a proxy
	database *proxy
	network  *proxy // to the API
	workers  []*process
	others   []*process // commands that may be stopped
	loads    int
	done     map[string]int // how often each kind of trouble happened

	rates []rateSet // of the default site, in order

	mu        sync.Mutex
	cancelled map[int64]time.Time // by batch, for I10
	retried   map[int64]bool
}

func newRandomRun(t *testing.T, seed uint64) *randomRun {
	s := newStage(t, 40, time.Second)
	direct := "DATABASE_URL=" + s.dbURL
	r := &randomRun{
		stage: s, database: s.proxyDatabase(), network: s.proxyAPI(),
		seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), loadRnd: rand.New(rand.NewPCG(seed, 2)),
		rates: []rateSet{{Rate: db.Rate{Calls: s.limit, Window: s.window, Fixed: true}}},
		done:  map[string]int{}, cancelled: map[int64]time.Time{}, retried: map[int64]bool{},
	}
	r.makeSites()
	r.direct = append(slices.Clone(r.env), direct)
	for i := range randomWorkers {
		r.workers = append(r.workers, r.startWorker(fmt.Sprintf("worker %d", i)))
	}
	r.eventually(time.Minute, "a worker has its heartbeat", func() bool { return ask[int](s, `SELECT count(*) FROM process`) > 0 })
	return r
}

// otherSite is served by the same workers, with the same token or its own.
const (
	otherSite  = "other"
	otherToken = "chaos-token-9876543210"
)

// primaryLocale is the id of the primary locale, which renames store as empty.
const primaryLocale = "65cccccccccccccccccccccc"

// makeSites sets the id of the default site's primary locale, so that rows may use it,
// and makes the other site.
func (r *randomRun) makeSites() {
	own := otherToken
	if r.rnd.IntN(2) == 0 {
		own = token
	}
	r.env = []string{"OTHER_WEBFLOW_TOKEN=" + own}
	r.api.SetToken(otherToken, standin.TokenValid)
	variable, rate := "OTHER_WEBFLOW_TOKEN", r.rate()
	require.NoError(r, r.db.SaveSite(r.Context(), db.Site{Name: otherSite, TokenEnv: &variable, RateLimit: &rate}))
	r.exec(`UPDATE site SET webflow_site_id = '650000000000000000000001', primary_locale_id = $1`, primaryLocale)
}

// startWorker starts a worker of both sites. Some workers are stopped at a random
// failpoint until they are woken, and some are killed there.
func (r *randomRun) startWorker(name string) *process {
	env := slices.Clone(r.env)
	if r.rnd.IntN(3) == 0 {
		places := []string{
			"fetched", "granted", "claimed", "sending", "sent", "headers", "answered", "finishing", "in-finish", "finished",
			"feeding", "fed", "accepting", "cancelling", "parking",
		}
		action := []string{"stop", "stop", "kill"}[r.rnd.IntN(3)]
		env = append(env, failpoint(fmt.Sprintf("%s:%d:%s", places[r.rnd.IntN(len(places))], 1+r.rnd.IntN(20), action)))
	}
	return r.spawn(name, env, "work", "--same-failure", "0", "--site", "all")
}

// loadUntil loads batches with common targets, sometimes two at once. A load may fail,
// because its database is behind the proxy. Then it leaves nothing.
func (r *randomRun) loadUntil(end time.Time) {
	for i := 0; i < leastLoads || time.Now().Before(end); i++ {
		var both []*process
		for range 1 + r.loadRnd.IntN(2) {
			both = append(both, r.load())
		}
		for _, p := range both {
			r.waitOrKill(p)
		}
		r.idle(r.loadRnd, 2*time.Second)
	}
}

// load loads a few rows for one of the sites. Sometimes it is killed or stopped.
func (r *randomRun) load() *process {
	env := slices.Clone(r.env)
	if r.loadRnd.IntN(5) == 0 {
		place := []string{"load-copied", "feeding", "load-committing", "load-committed"}[r.loadRnd.IntN(4)]
		env = append(env, failpoint(place+":1:"+[]string{"kill", "stop"}[r.loadRnd.IntN(2)]))
	}
	site, from := db.DefaultSite, 0
	if r.loadRnd.IntN(3) == 0 {
		site, from = otherSite, hugeRows+randomTargets // other assets than the default site's: the stand-in has them all
	}
	return r.spawn("load", env, "enqueue", r.csvInLocale(r.collidingRows(from), site == db.DefaultSite), "--site", site)
}

const (
	// stillTime is after how long a stopped process is woken. It loses its locks after
	// 10 s.
	stillTime = 11 * time.Second

	// loadTime is after how long a load is killed, if its connections are slow or silent.
	loadTime = 20 * time.Second
)

// waitOrKill waits for the end of a process, and wakes and kills it if it takes too long.
func (r *randomRun) waitOrKill(p *process) {
	wake, kill := time.NewTimer(stillTime), time.NewTimer(loadTime)
	defer wake.Stop()
	defer kill.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-wake.C:
			p.signal(syscall.SIGCONT)
		case <-kill.C:
			p.kill()
		}
	}
}

// idle waits for a random time.
func (r *randomRun) idle(rnd *rand.Rand, most time.Duration) {
	pause(r.Context(), time.Duration(rnd.Int64N(int64(most))))
}

// collidingRows returns rows with common targets. Each row has a value of its own.
func (r *randomRun) collidingRows(from int) []rename {
	r.loads++
	rows := make([]rename, 5+r.loadRnd.IntN(40))
	for i := range rows {
		rows[i] = rename{standin.AssetID(from + r.loadRnd.IntN(randomTargets)), fmt.Sprintf("load %d row %d", r.loads, i)}
	}
	return rows
}

// troubleUntil causes one random trouble after the other.
func (r *randomRun) troubleUntil(over <-chan struct{}) {
	kinds := r.troubles()
	for {
		select {
		case <-over:
			return
		default:
		}
		k := kinds[r.rnd.IntN(len(kinds))]
		r.done[k.name]++
		k.make()
		r.idle(r.rnd, time.Second)
	}
}

// stopTrouble ends all faults, and resumes everything that is paused or stopped.
func (r *randomRun) stopTrouble() {
	r.api.SetChances()
	r.network.heal()
	r.database.heal()
	r.wakeAll()
	for _, p := range r.others {
		r.waitOrKill(p)
	}
	r.cancelHuge()
	r.exec(`UPDATE site SET paused_at = NULL`)
	r.exec(`UPDATE batch SET status = 'active' WHERE status = 'paused'`)
	r.revive()
}

// revive wakes all workers, and replaces those that were killed.
func (r *randomRun) revive() {
	r.wakeAll()
	for i, w := range r.workers {
		if !w.hasEnded() {
			continue
		}
		// A worker that starts without a database ends with an error, and its
		// supervisor would restart it. A worker that runs already continues.
		require.True(r, w.wasKilled() || !strings.Contains(w.output(), "working on site"), "a worker ended by itself: %s", w.output())
		r.workers[i] = r.spawn("worker "+strconv.Itoa(i)+" once more", r.env, "work", "--same-failure", "0", "--site", "all")
	}
}

// waitAllFinished waits until every row has ended. It shortens the back-off, which may be
// 5 minutes.
func (r *randomRun) waitAllFinished() {
	r.eventually(recovery, "every row has ended", func() bool {
		r.revive()
		r.exec(`UPDATE rename SET not_before = NULL WHERE not_before > clock_timestamp() + interval '5 seconds'`)
		return r.open() == 0
	})
}

// change is a change of a final status.
type change struct {
	id, batch int64
	from, to  string
}

// watchFinals compares all final statuses again and again. Calling stop ends that, and
// returns those that changed.
func (r *randomRun) watchFinals() (stop func() []change) {
	var changed []change
	var watching sync.WaitGroup
	enough := make(chan struct{})
	watching.Go(func() {
		final := map[int64]string{}
		tick := time.NewTicker(10 * poll)
		defer tick.Stop()
		for {
			changed = append(changed, r.compareFinals(final)...)
			select {
			case <-enough:
				return
			case <-tick.C:
			}
		}
	})
	return func() []change {
		close(enough)
		watching.Wait()
		return changed
	}
}

// compareFinals updates final, and returns the final statuses that changed.
func (r *randomRun) compareFinals(final map[int64]string) (changed []change) {
	rows, err := r.db.Pool().Query(r.Context(), `
		SELECT id, batch_id, CASE WHEN finished_at IS NULL THEN '' ELSE status END FROM rename`)
	if err != nil {
		return nil // the test has ended
	}
	var id, batch int64
	var status string
	_, _ = pgx.ForEachRow(rows, []any{&id, &batch, &status}, func() error {
		if was := final[id]; was != "" && was != status {
			changed = append(changed, change{id, batch, was, status})
		}
		final[id] = status
		return nil
	})
	return changed
}

func (r *randomRun) check() {
	r.checkConserved()
	r.checkHonest()
	r.checkOrder()
	r.checkAlone(noticed) // one end of a broken connection learns of it before the other
	r.checkBudget()
	r.checkRates()
	r.checkPrimary()
	r.checkCancelled()
}

// checkPrimary checks that the id of the primary locale is never sent.
func (r *randomRun) checkPrimary() {
	for _, c := range r.patches() {
		require.Empty(r, c.LocaleID(), "%+v", c)
	}
}

// checkCancelled checks I10: no row of a cancelled batch is sent 5 s later.
func (r *randomRun) checkCancelled() {
	batch := map[rename]int64{}
	for id := range r.cancelled {
		if r.retried[id] {
			continue
		}
		for _, x := range r.rowsOf(id) {
			batch[x] = id
		}
	}
	for _, c := range r.patches() {
		if id, ok := batch[rename{c.AssetID, *c.DisplayName}]; ok {
			require.False(r, c.ArrivedAt.After(r.cancelled[id].Add(5*time.Second)), "sent though batch %d was cancelled: %+v", id, c)
		}
	}
}

func (r *randomRun) rowsOf(batch int64) (list []rename) {
	assets := ask[[]string](r.stage, `SELECT coalesce(array_agg(asset_id ORDER BY id), '{}') FROM rename WHERE batch_id = $1`, batch)
	names := ask[[]string](r.stage, `SELECT coalesce(array_agg(display_name ORDER BY id), '{}') FROM rename WHERE batch_id = $1`, batch)
	for i, a := range assets {
		list = append(list, rename{a, names[i]})
	}
	return list
}
