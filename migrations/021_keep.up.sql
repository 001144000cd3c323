-- How long a site keeps what has ended, and when workers pruned it last.
ALTER TABLE site
    ADD COLUMN keep text CHECK (keep ~ '^[1-9][0-9]{0,3}d$'),
    ADD COLUMN pruned_at timestamptz;

COMMENT ON COLUMN site.keep IS 'such as 400d; NULL: everything';
COMMENT ON COLUMN site.pruned_at IS 'when a worker began to prune it last';

ALTER TABLE batch ADD COLUMN pruned_at timestamptz;

COMMENT ON COLUMN batch.pruned_at IS 'when its rows were examined last: some are kept, as they are the newest of their targets';
