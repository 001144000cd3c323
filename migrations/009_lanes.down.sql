DROP FUNCTION refused_in;
DROP FUNCTION holders;
DROP TABLE site_refusal;
ALTER TABLE process DROP COLUMN lanes;
ALTER TABLE lane_grant DROP COLUMN call_window;
ALTER TABLE site DROP COLUMN worked_rate;
