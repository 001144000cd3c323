-- What may go of rename o: its call can't land any more.
o.finished_at < @before::timestamptz AND coalesce(o.unknown_until < clock_timestamp(), true)
