ALTER TABLE rename SET (fillfactor = 85);
