-- The end of a statement that does nothing but move rows.
-- include: moves
UPDATE batch b
SET
	-- include: add_moves
FROM moves m
WHERE b.id = m.batch_id
