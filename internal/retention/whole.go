package retention

import "context"

// whole deletes everything of a site that is to be removed: attempts and rows batch by
// batch, as the rows of a batch are found by its range of ids, and then the rest.
func (r *run) whole(ctx context.Context) (counts []Count, err error) {
	batches, err := r.oldBatches(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range batches {
		r.Batch = b.ID
		counts, err = r.steps(ctx, counts, attempts, r.renames)
		if err != nil {
			return counts, err
		}
	}
	r.Batch = 0
	return r.steps(ctx, counts, r.batches, events, notices, states, folders, riverJobs)
}

// folders finds the folders of a site: there may be thousands.
func folders(r *run) (table, finder) {
	key := []column{{"site_id", "integer"}, {"folder_id", "text"}}
	return r.simple(table{"asset_folder", key, `t.site_id = @site::integer`})
}

// riverJobs finds the jobs of a site's queues. One that still runs ends by itself, as its
// row is gone.
func riverJobs(r *run) (table, finder) {
	return r.simple(table{"river_job", byID(), `t.state <> 'running'
		AND t.queue IN (SELECT q.kind || s.name FROM site s, unnest(ARRAY['site-', 'sync-']) AS q (kind) WHERE s.id = @site::integer)`})
}
