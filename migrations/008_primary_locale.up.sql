-- The primary locale has an id of its own at Webflow, which names the same target
-- as no id at all.
ALTER TABLE site ADD COLUMN primary_locale_id text CHECK (primary_locale_id ~ '^[0-9a-f]{24}$');

COMMENT ON COLUMN site.primary_locale_id IS
    'Webflow''s id of the primary locale, as the site told last: rows with it are of the empty locale_id. NULL: it is not known, or has none';

COMMENT ON COLUMN schedule_run.thinned IS 'the rows of earlier runs that its own stand for are deleted';
