---- tern: disable-tx ----
-- The page of assets: by name, and by the last change. Made as in 007.
--
-- No index has read_at or gone: each reading writes read_at of every asset, and with an index
-- of it that would be no HOT update.
--
-- The site is written as site_id + 0, so that only the page uses these indexes. Without
-- statistics, an index that begins with site_id looks as good as the primary key to a look-up
-- of one asset, which would then read all of its site.
SET lock_timeout = 0;

-- A name can be longer than an entry of an index, so only its beginning is in it.
DROP INDEX CONCURRENTLY IF EXISTS asset_state_list_idx;
CREATE INDEX CONCURRENTLY asset_state_list_idx
    ON asset_state ((site_id + 0), lower(left(display_name, 100)), asset_id) WHERE locale_id = '';

DROP INDEX CONCURRENTLY IF EXISTS asset_state_list_changed_idx;
CREATE INDEX CONCURRENTLY asset_state_list_changed_idx
    ON asset_state ((site_id + 0), coalesce(last_updated, timestamptz 'epoch'), asset_id) WHERE locale_id = '';
