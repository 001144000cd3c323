package intake_test

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/intake"
)

// mariaDB is a server of this test's own.
type mariaDB struct {
	addr, socket string
	root         *sql.DB
}

func (m *mariaDB) url(user, database string) string {
	return fmt.Sprintf("mysql://%s:geheim@%s/%s", user, m.addr, database)
}

// startMariaDB starts a server, or skips the test where there is none; CI says that there must be one.
func startMariaDB(t *testing.T) *mariaDB {
	t.Helper()
	server, install := program("mariadbd"), program("mariadb-install-db")
	if server == "" || install == "" {
		if os.Getenv("RELABEL_REQUIRE_MARIADB") != "" {
			t.Fatal("there is no MariaDB on this machine, and RELABEL_REQUIRE_MARIADB wants one: install Debian's packages mariadb-server-core and mariadb-client-core")
		}
		t.Skip("there is no MariaDB on this machine (Debian's packages mariadb-server-core and mariadb-client-core): reading from MySQL is not tested")
	}
	dir, err := os.MkdirTemp("", "maria") // short: a socket's path has room for 104 bytes
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777))
	options := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--tmpdir=" + dir}
	if os.Getuid() == 0 { // it refuses to run as root
		options = append(options, "--user="+ordinaryAccount())
	}
	out, err := exec.Command(install, append(options, "--auth-root-authentication-method=normal", "--skip-test-db")...).CombinedOutput()
	require.NoError(t, err, string(out))
	m := &mariaDB{addr: freeAddr(t), socket: filepath.Join(dir, "s")}
	m.start(t, server, options)
	return m
}

func (m *mariaDB) start(t *testing.T, server string, options []string) {
	t.Helper()
	_, port, err := net.SplitHostPort(m.addr)
	require.NoError(t, err)
	cmd := exec.Command(server, append(options, "--socket="+m.socket, "--port="+port, "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=16M")...)
	cmd.Stderr = os.Stderr
	if !testing.Verbose() {
		cmd.Stderr = nil
	}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	m.root, err = sql.Open("mysql", "root@unix("+m.socket+")/?multiStatements=true")
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.root.Close() })
	require.Eventually(t, func() bool { return m.root.Ping() == nil }, time.Minute, 50*time.Millisecond)
}

// ordinaryAccount is the one that Debian's package of the service makes, if it is there.
func ordinaryAccount() string {
	if _, err := user.Lookup("mysql"); err == nil {
		return "mysql"
	}
	return "nobody"
}

func program(name string) string {
	for _, dir := range []string{"", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // a test's
	return l.Addr().String()
}

// wantedSQL makes a table of 2,500 wanted names. seq is MariaDB's.
const wantedSQL = `
	CREATE DATABASE shop; USE shop;
	CREATE TABLE shop.wanted (asset_id char(24), display_name varchar(50), alt_text text, shot datetime) CHARACTER SET latin1;
	INSERT INTO shop.wanted SELECT lpad(hex(seq), 24, '0'), concat('name ', seq, ' ü'), NULL, now() FROM seq_1_to_2500;
	CREATE TABLE shop.blobs (asset_id char(24), display_name blob);
	INSERT INTO shop.blobs VALUES ('0000000000000000000000aa', x'ff41');
	CREATE FUNCTION shop.sneaky() RETURNS text MODIFIES SQL DATA BEGIN DELETE FROM shop.wanted; RETURN 'x'; END;
	CREATE USER reader@'%' IDENTIFIED BY 'geheim'; GRANT SELECT, EXECUTE ON shop.* TO reader@'%';
	CREATE USER writer@'%' IDENTIFIED BY 'geheim'; GRANT ALL ON *.* TO writer@'%'`

// TestMariaDB reads from a real server.
func TestMariaDB(t *testing.T) {
	t.Parallel()
	m := startMariaDB(t)
	_, err := m.root.Exec(wantedSQL)
	require.NoError(t, err)
	t.Run("reads", func(t *testing.T) { testMariaReads(t, m) })
	t.Run("changes nothing", func(t *testing.T) { testMariaChangesNothing(t, m) })
	t.Run("bytes", func(t *testing.T) {
		rows, err := queryAll(t, intake.SQLParams{URL: m.url("reader", "shop"), Query: `SELECT * FROM blobs`})
		require.NoError(t, err)
		require.Contains(t, rows[0].Problems[0].Message, "0xFF, which is not UTF-8")
	})
	t.Run("refused", func(t *testing.T) {
		_, err := queryAll(t, intake.SQLParams{URL: "mysql://reader:wrong@" + m.addr + "/shop", Query: `SELECT 1`})
		require.ErrorContains(t, err, "refused the connection: Access denied")
		_, err = queryAll(t, intake.SQLParams{URL: m.url("reader", "nowhere"), Query: `SELECT 1`})
		require.ErrorContains(t, err, "refused the connection")
		require.NotContains(t, err.Error(), "geheim")
	})
	t.Run("lost", func(t *testing.T) { testMariaLost(t, m) })
}

func testMariaReads(t *testing.T, m *mariaDB) {
	for name, tt := range map[string]struct{ url, query string }{
		"plain":           {m.url("reader", "shop"), `SELECT asset_id, display_name FROM wanted ORDER BY asset_id`},
		"no database":     {m.url("reader", ""), `SELECT asset_id, display_name FROM shop.wanted ORDER BY asset_id`},
		"socket":          {"mysql://reader:geheim@localhost/shop?socket=" + m.socket, `SELECT * FROM wanted ORDER BY asset_id;`},
		"closing comment": {m.url("reader", "shop"), "SELECT asset_id, display_name FROM wanted ORDER BY asset_id # all; of them"},
		"with":            {m.url("reader", "shop"), `WITH w AS (SELECT * FROM wanted) SELECT asset_id, display_name AS "displayName" FROM w ORDER BY 1`},
		"union":           {m.url("reader", "shop"), `(SELECT * FROM wanted WHERE asset_id < '1') UNION (SELECT * FROM wanted) ORDER BY 1`},
		"quoted words":    {m.url("reader", "shop"), `SELECT asset_id, display_name, 'it\'s; DROP INTO' AS "into" FROM wanted ORDER BY 1 /* UPDATE; */`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: tt.url, Query: tt.query})
			require.NoError(t, err)
			defer s.Close() //nolint:errcheck // a test's
			rows, err := readSQL(t, s)
			require.NoError(t, err)
			require.Len(t, rows, 2500)
			require.Equal(t, fmt.Sprintf("%024x", 1), rows[0].AssetID)
			require.Equal(t, "name 2500 ü", *rows[2499].DisplayName)
			require.Equal(t, int64(2500), rows[2499].Line)
			require.Nil(t, rows[0].AltText, "NULL leaves the field alone")
			require.Empty(t, s.Warning())
		})
	}
	s, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: m.url("writer", "shop"), Query: `SELECT asset_id, display_name FROM wanted`})
	require.NoError(t, err)
	require.Contains(t, s.Warning(), "may write")
	require.NoError(t, s.Close(), "with rows left")
}

func testMariaChangesNothing(t *testing.T, m *mariaDB) {
	for name, tt := range map[string]struct{ query, want string }{
		"second statement":   {`SELECT asset_id FROM wanted; DROP TABLE wanted`, "several statements; give one SELECT"},
		"commit and drop":    {`SELECT 1; COMMIT; DROP TABLE wanted`, "give one SELECT and nothing else"},
		"delete":             {`DELETE FROM wanted`, "give one SELECT"},
		"drop":               {`/* SELECT */ DROP TABLE wanted`, "give one SELECT"},
		"executed comment":   {`/*! DROP TABLE wanted */`, "give one SELECT"},
		"into a file":        {`SELECT asset_id INTO OUTFILE '/tmp/relabel-stolen' FROM wanted`, "holds INTO; relabel only reads"},
		"into, in a comment": {`SELECT asset_id /*!50000 INTO OUTFILE '/tmp/relabel-stolen' */ FROM wanted`, "holds INTO; relabel only reads"},
		"writing function":   {`SELECT sneaky() AS asset_id, 'x' AS display_name`, "only reads"},
		"for update":         {`SELECT asset_id, display_name FROM wanted FOR UPDATE`, "only reads"},
		"endless":            {`SELECT sleep(60) AS asset_id, 'x' AS display_name`, "took longer than 300ms"},
		"slow later":         {`SELECT asset_id, display_name, if(asset_id = lpad(hex(2000), 24, '0'), sleep(60), 0) AS z FROM wanted`, "took longer than 300ms"},
		"no such table":      {`SELECT * FROM nothing_here`, "doesn't exist (1146)"},
		"syntax":             {`SELECT FROM WHERE`, "give one SELECT"},
		"missing column":     {`SELECT display_name FROM wanted`, "no column says which asset is meant"},
		"columns twice":      {`SELECT asset_id, asset_id, 'x' AS display_name FROM wanted`, "same name"},
		"no rows":            {`SELECT asset_id, 'x' AS display_name FROM wanted WHERE false`, "yields no rows"},
		"empty":              {` ; `, "the query is empty"},
		"error on row 2k":    {`SELECT asset_id, if(asset_id = lpad(hex(2000), 24, '0'), (SELECT 1 UNION SELECT 2), 0) AS display_name FROM wanted`, "more than 1 row"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := queryAll(t, intake.SQLParams{URL: m.url("writer", "shop"), Query: tt.query, FetchTimeout: 300 * time.Millisecond})
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			var n int
			require.NoError(t, m.root.QueryRow(`SELECT count(*) FROM shop.wanted`).Scan(&n))
			require.Equal(t, 2500, n)
			require.NoFileExists(t, "/tmp/relabel-stolen")
		})
	}
	_, err := queryAll(t, intake.SQLParams{URL: m.url("reader", "shop"), Query: `SELECT user AS asset_id, 'x' AS display_name FROM mysql.user`})
	require.ErrorContains(t, err, "grant the role SELECT")
}

// testMariaLost breaks the connection between two fetches: the rows before are followed by an error.
func testMariaLost(t *testing.T, m *mariaDB) {
	s, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: m.url("reader", "shop"), Query: `
		SELECT w.asset_id, repeat(w.display_name, 100) AS display_name FROM wanted w, wanted v`}) // more than the socket's buffers hold
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test's
	var last error
	for _, err := range s.Chunks(t.Context()) {
		if last = err; err != nil {
			break
		}
		_, err = m.root.Exec("KILL USER reader") // by the user: a thread of an earlier query may be just ending
		require.NoError(t, err)
	}
	require.ErrorContains(t, last, "lost after row")
}

// queryAll reads a query to its end.
func queryAll(t *testing.T, params intake.SQLParams) ([]intake.Row, error) {
	t.Helper()
	s, err := intake.OpenSQL(t.Context(), params)
	if err != nil {
		return nil, err
	}
	defer s.Close() //nolint:errcheck // a test's
	return readSQL(t, s)
}
