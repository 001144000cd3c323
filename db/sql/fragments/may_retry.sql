-- What batch b must be for its rows to be retried: accepted, and if cancelled then
-- to the end. Until then its rows might be cancelled once more.
b.acceptance IS NOT NULL AND (b.status <> 'cancelled' OR b.finished_at IS NOT NULL)
