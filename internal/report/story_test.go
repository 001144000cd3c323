package report

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

func ptr[T any](v T) *T { return &v }

// at is so many seconds after the load.
func at(seconds float64) time.Time {
	return time.Date(2026, 3, 2, 15, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

// row is a row that was accepted at 0.
func row(change func(*records.ToldRename)) records.ToldRename {
	r := records.ToldRename{
		Row: records.Row{
			ID: 7, Batch: 3, BatchName: "autumn", BatchStatus: "active", Site: "shop", Line: 5, AssetID: "a", DisplayName: ptr("new.jpg"),
			Status: "pending",
		},
		Worked: true, Source: "names.csv", AcceptedAt: ptr(at(0)), CreatedAt: at(-10),
	}
	if change != nil {
		change(&r)
	}
	return r
}

func call(fence int, sent, took float64, outcome db.Outcome, status int) records.Attempt {
	return records.Attempt{
		RenameID: 7, Fence: fence, SentAt: at(sent), Duration: time.Duration(took * float64(time.Second)), Outcome: outcome,
		HTTPStatus: &status, Message: ptr("said"),
	}
}

func event(seconds float64, kind records.EventKind) records.Event {
	return records.Event{RenameID: 7, At: at(seconds), Kind: kind}
}

// lines are the story as people read it: seconds, kind, text.
func lines(s Story) (out []string) {
	for _, e := range s.Events {
		out = append(out, fmt.Sprintf("%g %s: %s", e.At.Sub(at(0)).Seconds(), e.Kind, e.Text))
	}
	return out
}

const asked = `0 asked: line 5 of names.csv (batch 3 "autumn") asks for the name "new.jpg"`

func TestStory(t *testing.T) {
	t.Parallel()
	later := time.Second * 30
	for name, c := range map[string]struct {
		history records.History
		want    []string
	}{
		"at once": {
			records.History{
				Renames: []records.ToldRename{row(func(r *records.ToldRename) {
					r.Status, r.FinishedAt, r.AppliedName = "succeeded", ptr(at(0.75)), ptr("new.jpg")
				})},
				Attempts: []records.Attempt{call(1, 0.5, 0.25, "succeeded", 200)},
			},
			[]string{asked, "0.5 called: call 1, HTTP 200 after 250 ms; stored as asked"},
		},
		"all that can keep a row": {
			records.History{
				Renames: []records.ToldRename{row(func(r *records.ToldRename) {
					r.Status, r.FinishedAt, r.AppliedName, r.BeforeAt, r.BeforeName = "succeeded", ptr(at(701)), ptr("NEW.jpg"), ptr(at(-5)), ptr("old.jpg")
				})},
				Attempts: []records.Attempt{
					call(1, 100, 1, "rate_limited", 429),
					func() records.Attempt { a := call(3, 400, 1, "retry", 500); a.Delay = &later; return a }(),
					call(4, 700, 1, "succeeded", 200),
				},
				Events: []records.Event{
					event(-20, "site paused"), event(50, "site resumed"),
					{RenameID: 7, At: at(101), Kind: "lane stopped", Until: ptr(at(161))},
					{RenameID: 7, At: at(200), Kind: "batch paused", Detail: ptr("most rows\nfail")},
					event(390, "batch resumed"),
					{RenameID: 7, At: at(500), Kind: "site parked", Detail: ptr("401")},
					event(520, "site unparked"),
					{RenameID: 7, At: at(510), Kind: "breaker opened", Detail: ptr("502")},
					event(600, "breaker closed"),
					{RenameID: 8, At: at(600), Kind: "batch paused"}, // another row's
				},
				Seen: []records.Seen{{DisplayName: "NEW.jpg", ReadAt: at(900)}},
			},
			[]string{
				`-5 held: the value before: the name "old.jpg"`,
				asked,
				"0 waited: waited 50 s because the site was paused",
				"50 waited: waited 50 s for its turn behind earlier rows, within the rate limit",
				"100 called: call 1, HTTP 429 after 1 s: said; all calls with this token stop, and this call does not count as an attempt",
				"101 waited: waited 1 min because the API answered 429 and asked us to wait",
				"161 waited: waited 39 s for its turn behind earlier rows, within the rate limit",
				"200 waited: waited 3 min 10 s because its batch was paused: most rows fail",
				"390 waited: waited 10 s for its turn behind earlier rows, within the rate limit",
				"400 lost: a process claimed the row but ended before it recorded an answer; the call may have been made",
				"400 called: call 3, HTTP 500 after 1 s: said; retry due after 30 s",
				"401 waited: waited 30 s for a retry after a failed call",
				"431 waited: waited 1 min 9 s for its turn behind earlier rows, within the rate limit",
				"500 waited: waited 20 s because the site was parked: 401",
				"510 waited: waited 1 min 30 s because the API was failing and only test calls were sent: 502",
				"600 waited: waited 1 min 40 s for its turn behind earlier rows, within the rate limit",
				`700 called: call 4, HTTP 200 after 1 s; stored as "NEW.jpg", not as asked`,
				`900 held: when relabel last read the site, it had the name "NEW.jpg" and an empty alt text`,
			},
		},
		"retried": {
			records.History{
				Renames: []records.ToldRename{row(func(r *records.ToldRename) {
					r.Status, r.FinishedAt, r.RetriedAt = "failed", ptr(at(211)), ptr(at(200))
				})},
				Attempts: []records.Attempt{call(1, 0, 1, "failed", 404), call(2, 210, 1, "failed", 404)},
			},
			[]string{
				asked,
				"0 called: call 1, HTTP 404 after 1 s: said; it failed for good",
				"200 retried: a retry made it pending again and reset its attempts",
				"200 waited: waited 10 s for its turn behind earlier rows, within the rate limit",
				"210 called: call 2, HTTP 404 after 1 s: said; it failed for good",
			},
		},
		"superseded within its load": {
			records.History{Renames: []records.ToldRename{row(func(r *records.ToldRename) {
				r.Status, r.FinishedAt, r.ByBatch, r.ByLine, r.ByName = "superseded", ptr(at(-1)), ptr(int64(3)), ptr(int64(9)), ptr("newer.jpg")
			})}},
			[]string{
				strings.Replace(asked, "0 ", "-1 ", 1),
				`-1 ended: superseded by line 9 of batch 3, which asks for "newer.jpg": the newer row wins`,
			},
		},
		"cancelled in flight": {
			records.History{
				Renames: []records.ToldRename{row(func(r *records.ToldRename) {
					r.Status, r.FinishedAt, r.CancelledAt, r.Error = "cancelled", ptr(at(3)), ptr(at(2)), ptr("HTTP 500")
					r.Attempts = 1
				})},
				Attempts: []records.Attempt{call(1, 0.5, 2.5, "retry", 500)},
			},
			[]string{
				asked, "0.5 called: call 1, HTTP 500 after 2.5 s: said; retry due",
				"2 cancelled: cancelled while its call was in flight; it will not be retried",
				"3 ended: cancelled individually before it was sent again",
			},
		},
		"unchanged": {
			records.History{Renames: []records.ToldRename{row(func(r *records.ToldRename) { r.Status, r.FinishedAt = "unchanged", ptr(at(5)) })}},
			[]string{asked, "5 ended: unchanged: the asset already had the value, so no call was made"},
		},
		"behind a call that might land": {
			records.History{
				Renames: []records.ToldRename{row(func(r *records.ToldRename) {
					r.Status, r.FinishedAt, r.AppliedName = "succeeded", ptr(at(31)), ptr("new.jpg")
				})},
				Attempts: []records.Attempt{call(1, 30, 1, "succeeded", 200)},
				Events: []records.Event{
					{RenameID: 7, At: at(-30), Kind: records.EventCallUnknown, Until: ptr(at(25))},
					{RenameID: 7, At: at(29.95), Kind: "lane stopped", Until: ptr(at(30.5))}, // by this very call: clocks differ a little
				},
			},
			[]string{
				asked, "0 waited: waited 25 s because an earlier call for the asset had no clear outcome and might still take effect",
				"25 waited: waited 5 s for its turn behind earlier rows, within the rate limit", "30 called: call 1, HTTP 200 after 1 s; stored as asked",
			},
		},
		"behind a call that might land yet": {
			records.History{
				Renames: []records.ToldRename{row(nil)},
				Events:  []records.Event{{RenameID: 7, At: at(999.5), Kind: records.EventCallUnknown, Until: ptr(at(1020))}},
			},
			[]string{
				asked, "0 waited: waited 16 min 40 s for its turn behind earlier rows, within the rate limit",
				"999.5 waited: waited 500 ms because an earlier call for the asset had no clear outcome and might still take effect",
				"1000 now: waits 20 s because an earlier call for the asset had no clear outcome and might still take effect",
			},
		},
		"refused": {
			records.History{Renames: []records.ToldRename{row(func(r *records.ToldRename) {
				r.Status, r.FinishedAt, r.Error = "invalid", ptr(at(0)), ptr("no asset id\x1b[31m")
			})}},
			[]string{asked, "0 ended: invalid: no asset id\uFFFD[31m"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.history.Now = at(1000)
			require.Equal(t, c.want, lines(newStory(c.history)))
		})
	}
}

// What an open row waits for now, in the order in which a claim checks it.
func TestStoryNow(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*records.ToldRename){
		"waits for its turn: 1 row of its batch comes before it":                        func(r *records.ToldRename) { r.Ahead = 1 },
		"waits for its turn: it is the first of its batch":                              nil,
		"waits: no worker is running; `relabel work --until-done --site shop` sends it": func(r *records.ToldRename) { r.Worked = false },
		"waits for its turn: more than 20,000 rows of its batch come before it":         func(r *records.ToldRename) { r.Ahead = records.MaxAhead },
		"waits for its turn: it is the first of its batch; process 7 on web-1 still has a token that was refused: restart it": func(r *records.ToldRename) {
			r.RefusedIn = ptr("process 7 on web-1")
		},
		"its call is in flight": func(r *records.ToldRename) { r.Status, r.LeaseUntil = "sending", ptr(at(1001)) },
		"its process ended during the call; a worker takes it over":                  func(r *records.ToldRename) { r.Status, r.LeaseUntil = "sending", ptr(at(999)) },
		"waits: its batch is paused: most fail; `relabel batch resume 3` resumes it": func(r *records.ToldRename) { r.BatchStatus, r.BatchReason = "paused", ptr("most fail") },
		"waits: the site is parked: 401, then `relabel site resume --site shop`":     func(r *records.ToldRename) { r.ParkedReason = ptr("401") },
		"waits: the site is paused; `relabel site resume --site shop` resumes it":    func(r *records.ToldRename) { r.SitePaused = true },
		"waits for a retry in 30 s": func(r *records.ToldRename) { r.NotBefore = ptr(at(1030)) },
		"waits: the API is failing (502); one call every 5 s tests whether it works again": func(r *records.ToldRename) { r.BreakerError = ptr("502") },
		"waits 40 s because the API answered 429 and asked us to wait":                     func(r *records.ToldRename) { r.LaneUntil = ptr(at(1040)) },
		"planned: `relabel apply 3` sends it":                                              func(r *records.ToldRename) { r.Planned, r.AcceptedAt = true, nil },
		"its batch is cancelled; the row ends in a moment":                                 func(r *records.ToldRename) { r.BatchStatus = "cancelled" },
	} {
		got := lines(newStory(records.History{Renames: []records.ToldRename{row(change)}, Now: at(1000)}))
		require.Equal(t, "1000 now: "+want, got[len(got)-1])
	}
}

// The story shows what the statements have written.
func TestReadStory(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ctx := t.Context()
	site, err := d.SiteByName(ctx, db.DefaultSite)
	require.NoError(t, err)
	load := func(name string) int64 {
		source := db.SourceRow{Line: 2, AssetID: "a", DisplayName: &name}
		id, err := d.Load(ctx, db.LoadParams{
			SiteID: site.ID, Name: name, Source: "test.csv", Priority: 2,
			Rows:  func(yield func(*db.SourceRow, error) bool) { yield(&source, nil) },
			Queue: func(context.Context, pgx.Tx) error { return nil },
		})
		require.NoError(t, err)
		return id
	}
	old := load("old.jpg")
	_, err = d.PauseBatch(ctx, old, ptr("a look"))
	require.NoError(t, err)
	_, err = d.Pool().Exec(ctx, `
		WITH b AS (UPDATE batch SET started_at = started_at - interval '1 h')
		UPDATE event SET at = at - interval '1 h'`) // or the wait is too short to show
	require.NoError(t, err)
	load("new.jpg")
	_, err = ReadStory(ctx, d, records.StoryParams{AssetID: "b"})
	require.ErrorIs(t, err, records.ErrNoRename)
	_, err = ReadStory(ctx, d, records.StoryParams{RenameID: 99})
	require.ErrorIs(t, err, records.ErrNoRename)
	s, err := ReadStory(ctx, d, records.StoryParams{AssetID: "a", Locale: ptr("")})
	require.NoError(t, err)
	require.Equal(t, []string{"default"}, s.Sites)
	var kinds []string
	for _, e := range s.Events {
		kinds = append(kinds, fmt.Sprintf("%d %s", e.Batch-old, e.Kind))
	}
	require.ElementsMatch(t, []string{"0 asked", "0 waited", "0 ended", "1 asked", "1 now"}, kinds)
	require.Contains(t, strings.Join(lines(s), "\n"), "because its batch was paused: a look")
	require.Contains(t, strings.Join(lines(s), "\n"), `by line 2 of batch 2, which asks for "new.jpg"`)
	one, err := ReadStory(ctx, d, records.StoryParams{RenameID: s.Rows[1].ID})
	require.NoError(t, err)
	require.Len(t, one.Rows, 1)
	require.Equal(t, "new.jpg", *one.Rows[0].DisplayName)
}
