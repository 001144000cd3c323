-- A claim and a comparison write a new version of a row. If it fits into the row's page,
-- no index is written. They do so for all rows of a page at about the same time, so a
-- page is filled to less than half. Rows that are there already stay where they are.
ALTER TABLE rename SET (fillfactor = 45);
