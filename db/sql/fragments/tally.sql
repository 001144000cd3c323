-- For a statement that goes on after it has counted its moves.
-- include: moves
,
tally AS (
	UPDATE batch b
	SET
		-- include: add_moves
	FROM moves m
	WHERE b.id = m.batch_id
)
