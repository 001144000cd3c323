package db_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// A token works until it expires or is revoked, and its secret is in no table.
func TestTokens(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	secret, err := b.CreateToken(ctx, db.NewToken{Name: "n8n", Role: db.TokenWrite, SiteID: &b.site.ID, Life: time.Hour})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(secret, db.TokenPrefix))
	require.Len(t, secret, len(db.TokenPrefix)+43, "32 random bytes")
	stored := value[string](t, b, `SELECT row_to_json(t)::text FROM api_token t`)
	require.NotContains(t, stored, strings.TrimPrefix(secret, db.TokenPrefix))

	_, err = b.TokenBySecret(ctx, secret+"x")
	require.ErrorIs(t, err, db.ErrNoToken)
	got, err := b.TokenBySecret(ctx, secret)
	require.NoError(t, err)
	require.Equal(t, db.TokenActive, got.State)
	require.Equal(t, db.TokenWrite, got.Role)
	require.Equal(t, b.site.Name, *got.Site)
	used, err := b.TokenByName(ctx, "n8n")
	require.NoError(t, err)
	require.NotNil(t, used.LastUsedAt)
	_, err = b.TokenBySecret(ctx, secret)
	require.NoError(t, err)
	again, err := b.TokenByName(ctx, "n8n")
	require.NoError(t, err)
	require.Equal(t, used.LastUsedAt, again.LastUsedAt, "written once a minute")

	_, err = b.CreateToken(ctx, db.NewToken{Name: "n8n", Role: db.TokenRead, Life: time.Hour})
	require.ErrorIs(t, err, db.ErrTokenExists)
	b.exec(t, `UPDATE api_token SET expires_at = now()`)
	got, err = b.TokenBySecret(ctx, secret)
	require.NoError(t, err)
	require.Equal(t, "expired", got.State)
	require.NoError(t, b.RevokeToken(ctx, "n8n"))
	require.ErrorIs(t, b.RevokeToken(ctx, "n8n"), db.ErrNoToken)
	other, err := b.CreateToken(ctx, db.NewToken{Name: "n8n", Role: db.TokenRead, Life: time.Hour})
	require.NoError(t, err)
	require.NotEqual(t, secret, other)
	list, err := b.Tokens(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"active", "revoked"}, []string{list[0].State, list[1].State})
}

// A key is stored with its load or not at all, and goes with its batch.
func TestKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	_, err := b.CreateToken(ctx, db.NewToken{Name: "n8n", Role: db.TokenWrite, Life: time.Hour})
	require.NoError(t, err)
	batch := value[int64](t, b, `INSERT INTO batch (site_id, name, source, status, first_id, last_id, total) VALUES ($1, 'a', 'a', 'planned', 1, 1, 0) RETURNING id`, b.site.ID)
	key := db.APIKey{Token: 1, Key: "k", Hash: []byte("h"), Batch: batch}
	keep := func() error { return b.InTx(ctx, func(tx pgx.Tx) error { return db.KeepKey(ctx, tx, key) }) }
	require.NoError(t, keep())
	require.ErrorIs(t, keep(), db.ErrKeyTaken)
	found, err := b.FindKey(ctx, 1, "k")
	require.NoError(t, err)
	require.Equal(t, &key, found)
	found, err = b.FindKey(ctx, 2, "k")
	require.NoError(t, err)
	require.Nil(t, found, "another token's")
	b.exec(t, `DELETE FROM batch`)
	found, err = b.FindKey(ctx, 1, "k")
	require.NoError(t, err)
	require.Nil(t, found)
}
