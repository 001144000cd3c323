package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

const password = "pa55w0rd"

// refuse is a PostgreSQL that answers every connection with an error, and gives its address.
func refuse(t *testing.T, code, message string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			be := pgproto3.NewBackend(conn, conn)
			if _, err := be.ReceiveStartupMessage(); err == nil {
				be.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: code, Message: message})
				_ = be.Flush()
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	closed, wrong, full := nobody(t), refuse(t, "28P01", "password authentication failed"), refuse(t, "53300", "too many clients")
	missing := t.TempDir()
	tests := map[string]struct {
		url  string
		want []string
	}{
		"nobody listens":      {"postgres://me:" + password + "@" + closed + "/x?sslmode=disable", []string{closed, "connection refused"}},
		"wrong password":      {"postgres://me:" + password + "@" + wrong + "/x?sslmode=disable", []string{wrong, "password authentication failed"}},
		"two hosts":           {"postgres://me:" + password + "@" + closed + "," + full + "/x?sslmode=disable", []string{closed + " or " + full, "too many clients"}},
		"full":                {"postgres://me:" + password + "@" + full + "/x?sslmode=disable", []string{full, "too many clients"}},
		"no socket":           {"postgres://me:" + password + "@/x?host=" + url.QueryEscape(missing), []string{"socket " + missing, "no such file"}},
		"no such host":        {"postgres://me:" + password + "@host.invalid:5432/x", []string{"host.invalid:5432"}},
		"not a URL":           {"my database " + password, []string{"DATABASE_URL"}},
		"another scheme":      {"mysql://me:" + password + "@h/x", []string{"DATABASE_URL"}},
		"port no number":      {"postgres://me:" + password + "@h:port/x", []string{"DATABASE_URL"}},
		"unescaped percent":   {"postgres://me:" + password + "%zz@h/x", []string{"DATABASE_URL"}},
		"unknown ssl mode":    {"postgres://me:" + password + "@h/x?sslmode=maybe", []string{"DATABASE_URL"}},
		"pool setting":        {"postgres://me:" + password + "@h/x?pool_max_conns=many", []string{"DATABASE_URL"}},
		"certificate missing": {"postgres://me:" + password + "@h/x?sslrootcert=" + missing + "/ca.pem", []string{"DATABASE_URL"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pg.Open(t.Context(), pg.Config{URL: tt.url})
			require.Error(t, err)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), password)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestOpenRefusesWrongDatabase(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbtest.EmptyURL(t))
	require.NoError(t, err)
	u.Path = "/relabel_not_there"
	_, err = pg.Open(t.Context(), pg.Config{URL: u.String()})
	require.ErrorContains(t, err, "relabel_not_there")
	if secret, ok := u.User.Password(); ok {
		require.NotContains(t, err.Error(), secret)
	}
}

func TestOpenSetsUpItsConnections(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for setting, want := range map[string]string{
		"search_path": pg.Schema, "timezone": "UTC", "application_name": "relabel", "enable_seqscan": "off",
		"enable_bitmapscan": "off", "jit": "off",
	} {
		require.Equal(t, want, value[string](t, b, `SELECT current_setting($1)`, setting), setting)
	}
	require.Equal(t, int32(12), b.Pool().Config().MaxConns)

	few, err := pg.Open(t.Context(), pg.Config{URL: b.url, MaxConns: 3})
	require.NoError(t, err)
	defer few.Close()
	require.Equal(t, int32(3), few.Pool().Config().MaxConns)
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestTransient(t *testing.T) {
	t.Parallel()
	code := func(c string) error { return fmt.Errorf("error claiming: %w", &pgconn.PgError{Code: c}) }
	tests := map[string]struct {
		err  error
		want bool
	}{
		"none":                       {nil, false},
		"stopped":                    {context.Canceled, false},
		"stopped in a statement":     {fmt.Errorf("error claiming: %w", context.Canceled), false},
		"deadlock":                   {code("40P01"), true},
		"serialization":              {code("40001"), true},
		"connection failure":         {code("08006"), true},
		"too many connections":       {code("53300"), true},
		"disk full":                  {code("53100"), true},
		"a standby":                  {code("25006"), true},
		"admin shutdown":             {code("57P01"), true},
		"crash shutdown":             {code("57P02"), true},
		"starting up":                {code("57P03"), true},
		"statement timeout":          {code("57014"), false},
		"unique violation":           {code("23505"), false},
		"check violation":            {code("23514"), false},
		"undefined table":            {code("42P01"), false},
		"NUL in text":                {code("22021"), false},
		"wrong password":             {code("28P01"), false},
		"reset":                      {fmt.Errorf("read: %w", &net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		"network time-out":           {timeoutError{}, true},
		"server gone in an answer":   {fmt.Errorf("error claiming: %w", io.ErrUnexpectedEOF), true},
		"connection closed":          {errors.New("failed to deallocate cached statement(s): conn closed"), true},
		"pool closed":                {errors.New("closed pool"), false},
		"a bug of ours":              {errors.New("cannot scan NULL into *string"), false},
		"the source's own complaint": {errors.New("line 3: no asset_id"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, pg.Transient(tt.err))
		})
	}
}

// A real connection that is cut gives errors that are tried again, and the pool makes a new one.
func TestTransientWhenCut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	pid := conn.Conn().PgConn().PID()
	other, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, int(pid))
	require.NoError(t, err)
	other.Release()

	require.Eventually(t, func() bool {
		_, err = conn.Exec(t.Context(), `SELECT $1::int`, 1)
		return err != nil
	}, patience, time.Millisecond)
	require.True(t, pg.Transient(err), "%v", err)
	_, err = conn.Exec(t.Context(), `SELECT $1::int`, 1) // known to be closed now
	require.True(t, pg.Transient(err), "%v", err)
	conn.Release()
	_, err = b.Now(t.Context())
	require.NoError(t, err)
}
