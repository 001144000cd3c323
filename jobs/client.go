// Package jobs owns relabel's River jobs: one file for each kind with its args
// and worker, the rule that says what an answer means (outcome), the feed that
// gives renames their jobs, and the pool of workers of one process.
//
// Our tables are the truth and River is the scheduler: a job is a hint "look at
// this rename", and may be lost, doubled or tampered with.
package jobs

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"relabel/db"
)

const (
	// jobTimeout is above the longest that Work waits for a grant (5 min) plus
	// a call, so that River never cuts a call short; the call has its own
	// deadline.
	jobTimeout = 15 * time.Minute

	// rescueAfter must be above jobTimeout. Recovery does not wait for it: the
	// feed gives a dead process's renames new jobs; this only clears away the
	// old ones, which then find their renames final.
	rescueAfter = 20 * time.Minute

	// fetchCooldown is below River's 100 ms: with few workers (16) a burst of
	// 120 calls is eight fetches, and the limit should be used to the full.
	fetchCooldown = 20 * time.Millisecond

	// maxLeaderSkew is how far this machine's clock may be from the database's
	// for the process to lead: River's leader schedules, rescues and cleans by
	// its own clock.
	maxLeaderSkew = 30 * time.Second

	// River's finished jobs are of no use to us (results are in our tables);
	// an hour lets people look at them in River UI, and keeps river_job small.
	jobRetention = time.Hour

	// discardedRetention keeps what should never happen for a week.
	discardedRetention = 7 * 24 * time.Hour
)

// NewInsertClient makes a client that can only insert: for loading.
func NewInsertClient(d *db.DB, log *slog.Logger) (*Client, error) {
	client, err := river.NewClient(riverpgxv5.New(d.Pool()), &river.Config{Schema: db.Schema, Logger: log})
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
	queues    map[string]int             // with their workers
	mayLead   bool
}

// newWorkClient makes the client that works this process's queues.
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
	queues := make(map[string]river.QueueConfig, len(p.queues))
	for name, n := range p.queues {
		queues[name] = river.QueueConfig{MaxWorkers: n}
	}
	client, err := river.NewClient(riverpgxv5.New(p.db.Pool()), &river.Config{
		ID:                          p.processID, // the feed finds the process in attempted_by
		Schema:                      db.Schema,
		Logger:                      p.log,
		Workers:                     workers,
		Queues:                      queues,
		FetchCooldown:               fetchCooldown,
		LeaderElectionDisabled:      !p.mayLead,
		JobTimeout:                  jobTimeout,
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
