package db

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/pg"
)

// Token is a token of the API for machines. Its secret is not stored.
type Token struct {
	ID         int        `json:"-"`
	Name       string     `json:"name"`
	Role       TokenRole  `json:"role"`
	Site       *string    `json:"site"` // the only site that it may see; nil: all
	SiteID     *int       `json:"-"`
	State      string     `json:"state"` // active, expired or revoked
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// TokenRole is what a token may do.
type TokenRole string

// The roles. TokenWrite includes TokenRead.
const (
	TokenRead  TokenRole = "read"
	TokenWrite TokenRole = "write"
)

// TokenRoles lists all roles.
func TokenRoles() []TokenRole { return []TokenRole{TokenRead, TokenWrite} }

// TokenActive is the state of a token that works.
const TokenActive = "active"

// Errors of tokens.
var (
	ErrNoToken     = errors.New("no such token")
	ErrTokenExists = errors.New("there is a token of that name already")
)

// TokenPrefix begins each secret, so that people and scanners recognise one that leaked.
const TokenPrefix = "relabel_"

const accessSQL = `
SELECT t.id, t.name, t.role, s.name AS site, t.site_id, t.created_at, t.expires_at, t.revoked_at, t.last_used_at,
	CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN t.expires_at <= clock_timestamp() THEN 'expired' ELSE 'active' END AS state
FROM api_token t LEFT JOIN site s ON s.id = t.site_id `

// NewToken describes a token to be.
type NewToken struct {
	Name   string
	Role   TokenRole
	SiteID *int // nil: all sites
	Life   time.Duration
}

// CreateToken stores a token and returns its secret, which nobody can read again. The
// error is ErrTokenExists when a token of that name was not revoked.
func (db *DB) CreateToken(ctx context.Context, p NewToken) (secret string, err error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	secret = TokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	_, err = db.Pool().Exec(ctx, `
		INSERT INTO api_token (name, hash, role, site_id, expires_at)
		VALUES (@name, @hash, @role, @site, clock_timestamp() + @life::interval)`,
		pgx.NamedArgs{"name": p.Name, "hash": hashOf(secret), "role": string(p.Role), "site": p.SiteID, "life": p.Life})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == uniqueViolation {
		return "", fmt.Errorf("%w: %s", ErrTokenExists, p.Name)
	}
	if err != nil {
		return "", fmt.Errorf("error storing token %s: %w", p.Name, err)
	}
	return secret, nil
}

// uniqueViolation is PostgreSQL's code for a key that is there already.
const uniqueViolation = "23505"

// foreignKeyViolation is PostgreSQL's code for a row that refers to one that does not exist,
// or that another one refers to.
const foreignKeyViolation = "23503"

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Tokens lists all tokens, the newest first.
func (db *DB) Tokens(ctx context.Context) ([]Token, error) {
	return pg.Collect[Token](ctx, db.Pool(), "listing tokens", accessSQL+`ORDER BY t.id DESC`, pgx.NamedArgs{})
}

// TokenByName finds the newest token of a name; the error is ErrNoToken when there is none.
func (db *DB) TokenByName(ctx context.Context, name string) (Token, error) {
	list, err := pg.Collect[Token](ctx, db.Pool(), "reading the token", accessSQL+`WHERE t.name = @name ORDER BY t.id DESC LIMIT 1`,
		pgx.NamedArgs{"name": name})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: %s", ErrNoToken, name)
	}
	if err != nil {
		return Token{}, err
	}
	return list[0], nil
}

// TokenBySecret finds a token, whatever its state, and notes that it was used. The error
// is ErrNoToken when no token has the secret.
func (db *DB) TokenBySecret(ctx context.Context, secret string) (Token, error) {
	args := pgx.NamedArgs{"hash": hashOf(secret)}
	list, err := pg.Collect[Token](ctx, db.Pool(), "checking the token", accessSQL+`WHERE t.hash = @hash`, args)
	if err == nil && len(list) == 0 {
		err = ErrNoToken
	}
	if err != nil {
		return Token{}, err
	}
	t := list[0]
	if t.State != TokenActive {
		return t, nil
	}
	_, err = db.Pool().Exec(ctx, `
		UPDATE api_token SET last_used_at = clock_timestamp()
		WHERE hash = @hash AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')`, args)
	if err != nil {
		return t, fmt.Errorf("error noting the token's use: %w", err)
	}
	return t, nil
}

// RevokeToken ends a token for good; the error is ErrNoToken when none of that name works.
func (db *DB) RevokeToken(ctx context.Context, name string) error {
	tag, err := db.Pool().Exec(ctx, `UPDATE api_token SET revoked_at = clock_timestamp() WHERE name = $1 AND revoked_at IS NULL`, name)
	if err != nil {
		return fmt.Errorf("error revoking token %s: %w", name, err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: %s", ErrNoToken, name)
	}
	return nil
}
