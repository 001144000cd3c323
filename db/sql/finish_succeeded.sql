-- Records the outcomes of a group of calls that all succeeded: what finish.sql does with
-- them, at half its price. The renames, the breakers that count
-- failures, and the batches are locked already.
WITH
f AS MATERIALIZED (
	SELECT *
	FROM unnest(@rename_ids::bigint[], @fences::int[], @http_statuses::smallint[], @applied_names::text[],
		@last_updates::timestamptz[], @sent_agos::float8[], @durations::float8[])
		AS f (rename_id, fence, http_status, applied_name, last_updated, sent_ago, duration)
),
-- The fence keeps out a process whose lease ran out and was taken over. A fail-over that
-- loses commits may give two processes the same fence.
done AS (
	UPDATE rename r
	SET status = CASE WHEN r.superseded_by IS NULL THEN 'succeeded' ELSE 'superseded' END,
		lease_until = NULL,
		finished_at = clock_timestamp(),
		not_before = NULL,
		calls = r.calls + 1,
		http_status = coalesce(f.http_status, r.http_status),
		applied_name = coalesce(f.applied_name, r.applied_name),
		last_updated = coalesce(f.last_updated, r.last_updated),
		error = NULL
	FROM f
	WHERE r.id = f.rename_id AND r.fence = f.fence AND r.process_id = @process_id AND r.status = 'sending'
	RETURNING r.id, r.batch_id, r.status
),
-- A call that was made is recorded also when its lease was lost, but not if a fail-over lost the row.
attempts AS (
	INSERT INTO attempt (rename_id, fence, process_id, sent_at, duration, outcome, http_status)
	SELECT rename_id, fence, @process_id, clock_timestamp() - sent_ago * interval '1 second',
		duration * interval '1 second', 'succeeded', http_status
	FROM f
	WHERE EXISTS (SELECT FROM rename r WHERE r.id = f.rename_id)
	ON CONFLICT DO NOTHING
	RETURNING rename_id
),
m AS (
	SELECT batch_id, count(*) FILTER (WHERE status IS NULL) AS calls, -count(status) AS sending,
		count(*) FILTER (WHERE status = 'succeeded') AS succeeded, 0 AS failed,
		count(*) FILTER (WHERE status = 'superseded') AS superseded, 0 AS unchanged, 0 AS conflict, 0 AS cancelled,
		count(status) AS ended
	FROM (
		SELECT batch_id, status FROM done
		UNION ALL
		SELECT r.batch_id, NULL FROM attempts a JOIN rename r ON r.id = a.rename_id
	) moves_and_calls
	GROUP BY batch_id
),
tally AS (
	UPDATE batch b
	SET calls = b.calls + m.calls,
		-- include: add_moves
	FROM m
	WHERE b.id = m.batch_id
)
SELECT id, status FROM done
