// Package jobs owns relabel's River jobs and the pool of workers that runs them.
//
// Our tables are the truth and River is the scheduler. A job is only a hint: "look at
// this rename". It may be lost, duplicated or tampered with; the worst that follows is
// a second look.
//
//   - [Pool] is the workers of one process. NewPool wires it, Start runs it, Stop waits
//     for the calls in flight.
//   - [Feed] gives River jobs to renames that are due and have none. Loads call it in
//     their own transaction; each site's feeder calls it every few seconds.
//   - renameWorker does the four steps of a rename: grant, claim, call, finish. Claims
//     and finishes of all workers share statements through a batcher.
//   - decide (outcome.go) is the one place that says what an answer of the API means.
//   - parker, gate and absence stop the calls of a token that the API refused.
package jobs

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"relabel/db"
	"relabel/internal/pg"
)

const (
	// jobTimeout is longer than the longest wait for a grant (5 min) plus a call, so
	// that River never cuts a call short. Each call has its own deadline.
	jobTimeout = 15 * time.Minute

	// rescueAfter must be longer than jobTimeout. Recovery does not depend on it: the
	// feed gives a dead process's renames new jobs. The rescue only clears away the old
	// jobs, which then find their renames final.
	rescueAfter = 20 * time.Minute

	// fetchCooldown is shorter than River's 100 ms: with 16 workers a burst of 120 calls
	// takes eight fetches, and the limit should be used fully.
	fetchCooldown = 20 * time.Millisecond

	// fetchPoll is how often a queue is fetched from without a notification. Each feed
	// that gives jobs notifies, so this only matters while the connection that listens is
	// broken: then work goes on well within the 90 s promised.
	fetchPoll = 30 * time.Second

	// maxLeaderSkew is how far this machine's clock may differ from the database's for
	// the process to be River's leader, which schedules, rescues and cleans by its own
	// clock.
	maxLeaderSkew = 30 * time.Second

	// jobRetention keeps finished jobs for an hour, for people who look at River UI.
	// relabel does not need them: the results are in our tables.
	jobRetention = time.Hour

	// discardedRetention keeps discarded jobs for a week: there should be none.
	discardedRetention = 7 * 24 * time.Hour
)

// riverIndexes are the indexes of River's that our schema has, for its reindexer, which
// warns of others every night. Migration 019 says why three are dropped.
func riverIndexes() []string {
	dropped := []string{"river_job_args_index", "river_job_kind", "river_job_metadata_index"}
	return slices.DeleteFunc(river.ReindexerIndexNamesDefault(), func(name string) bool { return slices.Contains(dropped, name) })
}

// NewInsertClient makes a client that only inserts jobs, for loads.
func NewInsertClient(d *db.DB, log *slog.Logger) (*Client, error) {
	client, err := river.NewClient(riverpgxv5.New(d.Pool()), &river.Config{Schema: pg.Schema, Logger: log})
	if err != nil {
		return nil, fmt.Errorf("error making the job client: %w", err)
	}
	return client, nil
}

type clientParams struct {
	db        *db.DB
	processID string
	log       *slog.Logger
	worker    *renameWorker
	kinds     func(*river.Workers) error // nil: renames are all
	queues    *queues
	mayLead   bool
}

// newWorkClient makes the client that works the queues of this process.
func newWorkClient(p clientParams) (*Client, error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, p.worker); err != nil {
		return nil, fmt.Errorf("error registering the rename worker: %w", err)
	}
	if p.kinds != nil {
		if err := p.kinds(workers); err != nil {
			return nil, fmt.Errorf("error registering workers: %w", err)
		}
	}
	client, err := river.NewClient(riverpgxv5.New(p.db.Pool()), &river.Config{
		ID:                          p.processID, // the feed finds the process in attempted_by
		Schema:                      pg.Schema,
		Logger:                      p.log,
		Workers:                     workers,
		Queues:                      p.queues.atStart(),
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		LeaderElectionDisabled:      !p.mayLead,
		JobTimeout:                  jobTimeout,
		ReindexerIndexNames:         riverIndexes(),
		RescueStuckJobsAfter:        rescueAfter,
		SoftStopTimeout:             p.worker.lease(), // calls in flight end by themselves before it
		CompletedJobRetentionPeriod: jobRetention,
		CancelledJobRetentionPeriod: jobRetention,
		DiscardedJobRetentionPeriod: discardedRetention,
	})
	if err != nil {
		return nil, fmt.Errorf("error making the job client: %w", err)
	}
	return client, nil
}
