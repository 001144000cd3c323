//go:build unix

package chaos

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/webflow/webflowtest"
)

const (
	// shortTrouble leaves, of about a minute, the time to come to rest: what a
	// killed process held is free after half a minute.
	shortTrouble = 20 * time.Second

	randomTargets = 60 // few, so that batches collide
	randomWorkers = 3

	leastLoads = 8 // however slow the machine is
)

// TestRandom lets everything go wrong at once, by chance, and checks at the end
// that nothing was lost, stale, twice at a time or above the limit. The seed
// repeats the choices, not the timing.
func TestRandom(t *testing.T) {
	t.Parallel()
	seed := cmp.Or(*seedFlag, uint64(time.Now().UnixNano()))
	t.Logf("-chaos.seed=%d", seed)
	r := newRandomRun(t, seed)
	end := time.Now().Add(cmp.Or(*longFlag, shortTrouble))
	var all sync.WaitGroup
	loaded := make(chan struct{})
	all.Go(func() { defer close(loaded); r.loadUntil(end) })
	all.Go(func() { r.troubleUntil(loaded) })
	all.Go(func() { r.loadHugeUntil(loaded) })
	stopWatching := r.watchFinals()
	all.Wait()
	r.calm()
	calm := time.Now()
	r.comesToRest()
	t.Logf("at rest %.1f s after the last fault: %d calls for %d rows of %d batches; %v", time.Since(calm).Seconds(),
		r.api.Calls(), ask[int](r.stage, `SELECT count(*) FROM rename`), ask[int](r.stage, `SELECT count(*) FROM batch`), r.done)
	changed := stopWatching()
	r.check()
	for _, c := range changed {
		require.True(t, r.retried[c.batch], "a final status changed: %+v", c)
	}
}

// randomRun is the stage and the dice.
type randomRun struct {
	*stage
	seed     uint64
	rnd      *rand.Rand // of the trouble; the loads have their own
	loadRnd  *rand.Rand
	env      []string // of all processes
	database *proxy
	network  *proxy // before the API
	dbHole   *hole  // before the database's proxy
	apiHole  *hole
	workers  []*process
	loads    int
	done     map[string]int // how often each kind of trouble was made

	mu        sync.Mutex
	cancelled map[int64]time.Time // by batch, for I10
	retried   map[int64]bool
}

func newRandomRun(t *testing.T, seed uint64) *randomRun {
	s := newStage(t, 40, time.Second)
	r := &randomRun{
		stage: s, database: s.proxyDatabase(), network: s.proxyAPI(), dbHole: s.throughHole(), apiHole: s.apiThroughHole(),
		seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), loadRnd: rand.New(rand.NewPCG(seed, 2)),
		done: map[string]int{}, cancelled: map[int64]time.Time{}, retried: map[int64]bool{},
	}
	r.makeSites()
	for i := range randomWorkers {
		r.workers = append(r.workers, r.startWorker(fmt.Sprintf("worker %d", i)))
	}
	for _, w := range r.workers {
		s.registered(w)
	}
	return r
}

// otherSite is worked by the same processes, with the same token or one of its own.
const (
	otherSite  = "other"
	otherToken = "chaos-token-9876543210"
)

// primaryLocale is what the API calls the locale that renames name by nothing.
const primaryLocale = "65cccccccccccccccccccccc"

// makeSites gives the default site's primary locale an id that rows may name, and
// makes the other site.
func (r *randomRun) makeSites() {
	own := otherToken
	if r.rnd.IntN(2) == 0 {
		own = token
	}
	r.env = []string{"OTHER_WEBFLOW_TOKEN=" + own}
	r.api.SetToken(otherToken, webflowtest.TokenValid)
	variable, rate := "OTHER_WEBFLOW_TOKEN", r.rate()
	require.NoError(r, r.db.SaveSite(r.Context(), db.Site{Name: otherSite, TokenEnv: &variable, RateLimit: &rate}))
	r.exec(`UPDATE site SET webflow_site_id = '650000000000000000000001', primary_locale_id = $1`, primaryLocale)
}

// startWorker starts a worker of both sites. Some stand still at one of the places
// where a crash is worth a test, until somebody wakes them.
func (r *randomRun) startWorker(name string) *process {
	env := slices.Clone(r.env)
	if r.rnd.IntN(3) == 0 {
		places := []string{
			"fetched", "granted", "claimed", "sending", "sent", "headers", "answered", "finishing", "in-finish", "finished",
			"feeding", "fed", "accepting", "cancelling", "parking",
		}
		env = append(env, failpoint(fmt.Sprintf("%s:%d:stop", places[r.rnd.IntN(len(places))], 1+r.rnd.IntN(20))))
	}
	return r.spawn(name, env, "work", "--same-failure", "0", "--site", "all")
}

// loadUntil loads batches of colliding targets, sometimes two at once. A load
// may fail, for its database is behind the proxy; then it has left nothing.
func (r *randomRun) loadUntil(end time.Time) {
	for i := 0; i < leastLoads || time.Now().Before(end); i++ {
		var both []*process
		for range 1 + r.loadRnd.IntN(2) {
			both = append(both, r.load())
		}
		for _, p := range both {
			r.endsOrDies(p)
		}
		r.idle(r.loadRnd, 2*time.Second)
	}
}

// load loads a few rows for one of the sites, and dies over it now and then.
func (r *randomRun) load() *process {
	env := slices.Clone(r.env)
	if r.loadRnd.IntN(5) == 0 {
		env = append(env, failpoint([]string{"load-copied", "load-committing", "load-committed", "accepting"}[r.loadRnd.IntN(4)]))
	}
	site, from := db.DefaultSite, 0
	if r.loadRnd.IntN(3) == 0 {
		site, from = otherSite, hugeRows // other assets than the default site's: the stand-in has them all
	}
	return r.spawn("load", env, "enqueue", r.csvInLocale(r.collidingRows(from), site == db.DefaultSite), "--site", site)
}

// loadTime is for a load whose connections are slow or dead: then it is killed.
const loadTime = 20 * time.Second

func (r *randomRun) endsOrDies(p *process) {
	select {
	case <-p.ended:
	case <-time.After(loadTime):
		p.kill()
	}
}

// hugeRows is a batch that no limit lets through here: it supersedes what is open, is
// accepted in many chunks, and is cancelled.
const hugeRows = 50_000

// loadHugeUntil loads such batches, beside all else, and cancels them again.
func (r *randomRun) loadHugeUntil(over <-chan struct{}) {
	rnd := rand.New(rand.NewPCG(r.seed, 3))
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		default:
		}
		rows := make([]rename, hugeRows)
		for i := range rows {
			rows[i] = rename{webflowtest.AssetID(i), fmt.Sprintf("huge %d row %d", n, i)}
		}
		r.endsOrDies(r.spawn("huge load", r.env, "enqueue", r.csv(rows), "--priority", strconv.Itoa(1+rnd.IntN(4))))
		r.idle(rnd, 5*time.Second)
		r.cancelHuge()
	}
}

// cancelHuge cancels what is open of huge batches, as a person would.
func (r *randomRun) cancelHuge() {
	for id := r.hugeBatch(); id != 0; id = r.hugeBatch() {
		_, err := r.db.CancelBatch(r.Context(), id, nil)
		require.NoError(r, err)
		r.mu.Lock()
		r.cancelled[id] = time.Now()
		r.mu.Unlock()
	}
}

func (r *randomRun) hugeBatch() int64 {
	return ask[int64](r.stage, `SELECT coalesce(min(id), 0) FROM batch WHERE total >= $1 AND status IN ('active', 'paused')`, hugeRows)
}

// idle lets a random time go by.
func (r *randomRun) idle(rnd *rand.Rand, most time.Duration) {
	pause := time.NewTimer(time.Duration(rnd.Int64N(int64(most))))
	defer pause.Stop()
	select {
	case <-r.Context().Done():
	case <-pause.C:
	}
}

// collidingRows have a value that no other row ever has.
func (r *randomRun) collidingRows(from int) []rename {
	r.loads++
	rows := make([]rename, 5+r.loadRnd.IntN(40))
	for i := range rows {
		rows[i] = rename{webflowtest.AssetID(from + r.loadRnd.IntN(randomTargets)), fmt.Sprintf("load %d row %d", r.loads, i)}
	}
	return rows
}

// troubleUntil makes one trouble after the other, as quickly as dice say.
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

type trouble struct {
	name string
	make func()
}

func (r *randomRun) troubles() []trouble {
	return []trouble{
		{"kill", func() { r.replace(syscall.SIGKILL) }},
		{"end", func() { r.replace(syscall.SIGTERM) }},
		{"stop", func() { r.worker1().signal(syscall.SIGSTOP) }},
		{"continue", r.wakeAll},
		{"API faults", r.apiFaults},
		{"API well", func() { r.api.SetChances() }},
		{"API network", func() { r.network.heal(); r.network.add(r.randomToxic()) }},
		{"API connections cut", r.network.cut},
		{"database network", func() { r.database.heal(); r.database.add(r.randomToxic()) }},
		{"database connections cut", r.database.cut},
		{"networks well", func() { r.network.heal(); r.database.heal() }},
		{"packets to the database lost", func() { r.swallow(r.dbHole) }},
		{"packets to the API lost", func() { r.swallow(r.apiHole) }},
		{"another limit", r.setRate},
		{"jobs", r.tamperJobs},
		{"pause", func() { r.setBatch("paused", "active") }},
		{"resume", func() { r.setBatch("active", "paused") }},
		{"cancel", func() { r.setBatch("cancelled", "active") }},
		{"retry", r.retryBatch},
		{"retry superseded", r.retrySuperseded},
		{"cancel rows", r.cancelRows},
		{"retry rows", r.retryRows},
		{"pause site", func() { r.pauseSite(true) }},
		{"resume site", func() { r.pauseSite(false) }},
	}
}

func (r *randomRun) worker1() *process { return r.workers[r.rnd.IntN(len(r.workers))] }

// replace ends a worker and starts another in its place. One that stands still
// hears no SIGTERM.
func (r *randomRun) replace(sig syscall.Signal) {
	i := r.rnd.IntN(len(r.workers))
	r.workers[i].signal(sig)
	if sig == syscall.SIGTERM {
		r.workers[i].signal(syscall.SIGCONT)
	}
	r.workers[i] = r.startWorker("worker " + strconv.Itoa(i) + " again")
}

func (r *randomRun) wakeAll() {
	for _, w := range r.workers {
		w.signal(syscall.SIGCONT)
	}
}

// apiFaults are most of those that a row may meet. Not one that hangs for ever:
// a caller that is stopped would keep such a call open beyond its lease.
func (r *randomRun) apiFaults() {
	list := []webflowtest.Fault{
		webflowtest.Status(500), webflowtest.Status(409), webflowtest.Gateway(502, ""), webflowtest.Gateway(503, "1"),
		webflowtest.Gateway(504, "").AfterApply(), webflowtest.RateLimited("1"), webflowtest.CutJSON(),
		webflowtest.ResetBeforeHeaders(), webflowtest.ResetInBody(), webflowtest.CloseBeforeHeaders(),
		webflowtest.CloseInBody(), webflowtest.Delay(300 * time.Millisecond), webflowtest.Delay(callTimeout + time.Second),
	}
	chances := make([]webflowtest.Chance, 3)
	for i := range chances {
		chances[i] = webflowtest.Chance{P: 0.1 * r.rnd.Float64(), Fault: list[r.rnd.IntN(len(list))]}
	}
	r.api.SetChances(chances...)
}

// randomToxic is one of toxiproxy's, in milliseconds and bytes.
func (r *randomRun) randomToxic() toxic {
	list := []toxic{
		{Type: "latency", Attributes: map[string]int{"latency": 50, "jitter": 50}},
		{Type: "reset_peer", Attributes: map[string]int{"timeout": 300}},
		{Type: "limit_data", Attributes: map[string]int{"bytes": 2000}},
		{Type: "slicer", Attributes: map[string]int{"average_size": 30, "size_variation": 10, "delay": 100}},
		{Type: "slow_close", Attributes: map[string]int{"delay": 300}},
		{Type: "bandwidth", Attributes: map[string]int{"rate": 20}},
	}
	x := list[r.rnd.IntN(len(list))]
	x.Stream = []string{"upstream", "downstream"}[r.rnd.IntN(2)]
	x.Toxicity = 0.3
	return x
}

func (r *randomRun) tamperJobs() {
	list := []string{
		`DELETE FROM river_job WHERE random() < 0.5`,
		`UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE finalized_at IS NULL AND random() < 0.5`,
		`UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE finalized_at IS NULL AND random() < 0.5`,
		`UPDATE river_job SET state = 'available', finalized_at = NULL WHERE random() < 0.3`,
		`UPDATE river_job SET state = 'retryable', scheduled_at = now() + interval '1 day' WHERE finalized_at IS NULL AND random() < 0.5`,
	}
	r.exec(list[r.rnd.IntN(len(list))])
}

// setBatch moves a random batch that is in one status to another.
func (r *randomRun) setBatch(to, from string) {
	id := r.anyBatch(`status = '` + from + `'`)
	change := r.db.SetBatchStatus
	if to == "cancelled" && r.rnd.IntN(2) == 0 { // the rows are ended here, and not by the workers
		change = func(ctx context.Context, id int64, _ string, reason *string) (bool, error) {
			return r.db.CancelBatch(ctx, id, reason)
		}
	}
	moved, err := change(r.Context(), id, to, nil)
	require.NoError(r, err)
	if moved && to == "cancelled" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.cancelled[id] = time.Now()
	}
}

// retryBatch sends the failed and cancelled rows of a batch again.
func (r *randomRun) retryBatch() {
	id := r.anyBatch(`finished_at IS NOT NULL AND failed + cancelled + conflict > 0`)
	r.retried[id] = true
	_, err := r.db.RetryBatch(r.Context(), db.RetryParams{BatchID: id, Statuses: []string{"failed", "conflict", "cancelled"}})
	require.NoError(r, err)
}

// retrySuperseded sends rows whose newer one was cancelled unsent.
func (r *randomRun) retrySuperseded() {
	id := r.anyBatch(`acceptance IS NOT NULL AND superseded > 0 AND total < 1000`)
	r.retried[id] = true
	_, err := r.db.RetryBatch(r.Context(), db.RetryParams{BatchID: id, Statuses: []string{"superseded"}})
	require.NoError(r, err)
}

// swallow loses all packets for a while, without a word to either end.
func (r *randomRun) swallow(h *hole) {
	h.dies(true)
	r.idle(r.rnd, 3*time.Second)
	h.dies(false)
}

// setRate changes the default site's limit, and with it the window: each of them, and
// each change from one to another, stays within what the API allows.
func (r *randomRun) setRate() {
	rates := []string{"40/1s", "30/1s", "40/2s", "40/3s", "10/1s"}
	p := r.spawn("site set", r.env, "site", "set", "default", "--rate", rates[r.rnd.IntN(len(rates))])
	r.endsOrDies(p)
}

// someRows are about a tenth of the rows of an open batch, or of all batches.
func (r *randomRun) someRows() db.JobFilter {
	return db.JobFilter{Batch: r.anyBatch(`status IN ('active', 'paused')`), Name: strconv.Itoa(r.rnd.IntN(100))}
}

// cancelRows ends rows by themselves, some while they are sent.
func (r *randomRun) cancelRows() {
	_, err := r.db.CancelJobs(r.Context(), r.someRows(), nil)
	require.NoError(r, err)
}

// retryRows sends rows of a batch again that may still be at work.
func (r *randomRun) retryRows() {
	f := r.someRows()
	if f.Batch = r.anyBatch(`failed + cancelled + conflict > 0`); f.Batch == 0 {
		return
	}
	r.retried[f.Batch] = true
	_, err := r.db.RetryJobs(r.Context(), f, nil)
	require.NoError(r, err)
}

// anyBatch is 0 when there is none.
func (r *randomRun) anyBatch(where string) int64 {
	ids := ask[[]int64](r.stage, `SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM batch WHERE `+where)
	if len(ids) == 0 {
		return 0
	}
	return ids[r.rnd.IntN(len(ids))]
}

func (r *randomRun) pauseSite(pause bool) {
	_, err := r.db.PauseSite(r.Context(), ask[int](r.stage, `SELECT id FROM site WHERE name = 'default'`), pause)
	require.NoError(r, err)
}

// calm ends all trouble.
func (r *randomRun) calm() {
	r.api.SetChances()
	r.network.heal()
	r.database.heal()
	r.wakeAll()
	r.cancelHuge()
	r.pauseSite(false)
	r.exec(`UPDATE batch SET status = 'active' WHERE status = 'paused'`)
	for i, w := range r.workers {
		if !w.hasEnded() {
			continue
		}
		// One that is started while the database is away says so and ends: that is
		// for its supervisor. One that has begun to work goes on.
		require.NotContains(r, w.said(), "working on site", "a worker ended by itself")
		r.workers[i] = r.startWorker("worker " + strconv.Itoa(i) + " once more")
	}
}

// comesToRest waits until every row has ended. What is left to wait for by the
// back-off, up to 5 minutes, is cut short.
func (r *randomRun) comesToRest() {
	r.eventually(recovery, "every row has ended", func() bool {
		r.exec(`UPDATE rename SET not_before = NULL WHERE not_before > clock_timestamp() + interval '5 seconds'`)
		return r.open() == 0
	})
}

// change is a final status that did not last.
type change struct {
	id, batch int64
	from, to  string
}

// watchFinals looks at all final statuses again and again until it is stopped,
// and then gives those that changed.
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

// compareFinals brings final up to date.
func (r *randomRun) compareFinals(final map[int64]string) (changed []change) {
	rows, err := r.db.Pool().Query(r.Context(), `
		SELECT id, batch_id, CASE WHEN finished_at IS NULL THEN '' ELSE status END FROM rename`)
	if err != nil {
		return nil // the test is over
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
	r.checkAlone(noticed) // of a connection cut between them one end knows before the other
	r.checkBudget()
	r.checkCancelled()
}

// checkCancelled is I10: nothing of a cancelled batch is sent 5 s later.
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
