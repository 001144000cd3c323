ALTER TABLE batch DROP COLUMN cancelled_at, DROP COLUMN replaced_by, DROP COLUMN accepted_to;

ALTER TABLE site ADD COLUMN last_acceptance bigint NOT NULL DEFAULT 0;

UPDATE site SET last_acceptance = a.last FROM acceptance a WHERE a.site_id = site.id;

DROP TABLE acceptance;
