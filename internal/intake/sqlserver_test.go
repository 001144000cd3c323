package intake

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"unicode/utf16"

	mssql "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"
)

func TestSQLServerURL(t *testing.T) {
	t.Parallel()
	cfg, err := sqlServerConfig("sqlserver://reader:p%40ss@db.example:1444?database=shop&encrypt=true")
	require.NoError(t, err)
	require.Equal(t, "db.example", cfg.Host)
	require.Equal(t, uint64(1444), cfg.Port)
	require.Equal(t, "reader", cfg.User)
	require.Equal(t, "p@ss", cfg.Password)
	require.Equal(t, "shop", cfg.Database)
	require.True(t, cfg.ReadOnlyIntent)
	require.False(t, cfg.TLSConfig.InsecureSkipVerify, "encrypt=true checks the certificate")
	require.Equal(t, "relabel source", cfg.AppName)

	cfg, err = sqlServerConfig("sqlserver://reader:x@db.example/express")
	require.NoError(t, err)
	require.False(t, cfg.ReadOnlyIntent, "the driver wants a database for it")
	require.Equal(t, "db.example/express", sqlServerPlace(cfg))
}

// A URL takes nothing from this machine: no file, no account.
func TestServerURLErrors(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"sqlserver://db.example?database=shop":                           "names no user",
		"sqlserver://u:geheim@h?certificate=/etc/ssl/key.pem":            `has the setting "certificate"`,
		"sqlserver://u:geheim@h?authenticator=krb5":                      `has the setting "authenticator"`,
		"sqlserver://u:geheim@h?database=d;certificate=/etc/ssl/key.pem": "should look like sqlserver://",
		"sqlserver://u:geheim@h:port":                                    "should look like sqlserver://",
		"sqlserver://u:geheim@h?encrypt=perhaps":                         "encrypt is true",
		"sqlserver:server=h;user id=u;password=geheim":                   "should look like sqlserver://",
		"mysql://db.example/shop":                                        "names no user",
		"mysql://u:ge%heim@h/d":                                          "special characters of the password as %XX",
		"mysql://u:geheim@h/d?allowAllFiles=true":                        `has the setting "allowAllFiles"`,
		"mysql://u:geheim@h/d?tls=perhaps":                               "tls is true",
		"mysql:u:geheim@tcp(h)/d":                                        "should look like mysql://",
		"sqlite:":                                                        "should look like sqlite:FILE",
		"sqlite:names.db":                                                "whole path",
	} {
		err := CheckStoredURL(url)
		require.ErrorIs(t, err, ErrSourceURL, url)
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "geheim")
	}
	for _, url := range []string{"mysql://u@h/d?tls=true", "sqlserver://u@h?database=d", "sqlite:/srv/names.db", "sqlite:///srv/names.db", "postgres://u@h/d"} {
		require.NoError(t, CheckStoredURL(url), url)
	}
}

func TestMySQLURL(t *testing.T) {
	t.Parallel()
	cfg, err := mysqlConfig("mysql://reader:p%40ss@[::1]/shop")
	require.NoError(t, err)
	require.Equal(t, "[::1]:3306", cfg.Addr)
	require.Equal(t, "p@ss", cfg.Passwd)
	require.Equal(t, "preferred", cfg.TLSConfig)
	require.False(t, cfg.AllowAllFiles || cfg.AllowCleartextPasswords || cfg.AllowOldPasswords || cfg.MultiStatements)
}

// fakeSQLServer answers the prelogin of TDS, then hands over the login record and ends the connection.
func fakeSQLServer(t *testing.T, answer []byte) (addr string, login chan []byte) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	login = make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close() //nolint:errcheck // a test's
		if _, err := readTDS(conn); err != nil {
			return
		}
		// One option, ENCRYPTION at offset 6 of length 1: 2, not supported. So the login is readable here.
		writeTDS(conn, []byte{1, 0, 6, 0, 1, 0xff, 2})
		if record, err := readTDS(conn); err == nil {
			login <- record
		}
		if answer != nil {
			writeTDS(conn, answer)
		}
	}()
	return l.Addr().String(), login
}

func readTDS(r io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	body := make([]byte, int(binary.BigEndian.Uint16(head[2:]))-len(head))
	_, err := io.ReadFull(r, body)
	return body, err
}

func writeTDS(w io.Writer, body []byte) {
	head := []byte{4, 1, 0, 0, 0, 0, 1, 0} // a response, the last packet of it
	binary.BigEndian.PutUint16(head[2:], uint16(len(head)+len(body)))
	_, _ = w.Write(append(head, body...))
}

func ucs2(text string) (out []byte) {
	for _, c := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, c)
	}
	return out
}

// loginError is the server's ERROR token 18456 and its DONE.
func loginError(message string) []byte {
	body := binary.LittleEndian.AppendUint32(nil, 18456)
	body = append(body, 1, 14) // state, class
	body = binary.LittleEndian.AppendUint16(body, uint16(len(message)))
	body = append(append(body, ucs2(message)...), 0, 0, 1, 0, 0, 0) // no server, no procedure, line 1
	out := binary.LittleEndian.AppendUint16([]byte{0xaa}, uint16(len(body)))
	out = append(out, body...)
	return append(out, 0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// The login says what the URL says, asks for reading only, and names no account of this machine.
func TestSQLServerLogin(t *testing.T) {
	t.Parallel()
	addr, login := fakeSQLServer(t, loginError("Login failed for user 'reader'."))
	_, err := OpenSQL(t.Context(), SQLParams{URL: "sqlserver://reader:geheim@" + addr + "?database=shop&encrypt=disable", Query: "SELECT 1"})
	require.ErrorContains(t, err, "the source at "+addr+" refused the connection: login error: Login failed for user 'reader'.")
	require.NotContains(t, err.Error(), "geheim")
	record := <-login
	require.Contains(t, string(record), string(ucs2("reader")))
	require.Contains(t, string(record), string(ucs2("shop")))
	require.Contains(t, string(record), string(ucs2("relabel source")))
	require.NotContains(t, string(record), string(ucs2("geheim")), "the protocol scrambles it")
	const typeFlags, readOnlyIntent = 26, 32
	require.NotZero(t, record[typeFlags]&readOnlyIntent)
}

func TestSQLServerUnreachable(t *testing.T) {
	t.Parallel()
	addr, _ := fakeSQLServer(t, nil)
	_, err := OpenSQL(t.Context(), SQLParams{URL: "sqlserver://reader:geheim@" + addr + "?encrypt=disable", Query: "SELECT 1"})
	require.ErrorContains(t, err, "the source at "+addr+" can't be reached")
	require.NotContains(t, err.Error(), "geheim")
}

func TestSQLServerFaults(t *testing.T) {
	t.Parallel()
	for number, want := range map[int32]faultKind{102: faultSyntax, 156: faultSyntax, 229: faultDenied, 208: faultFailed} {
		require.Equal(t, want, sqlServerFault(mssql.Error{Number: number}).kind)
	}
	require.Equal(t, faultLost, sqlServerFault(errors.New("EOF")).kind)
}
