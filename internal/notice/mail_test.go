package notice

import (
	"fmt"
	"io"
	"mime"
	"net/mail"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

// A mail server of its own gets the notices: with TLS from the first byte, with STARTTLS,
// with a user and without.
func TestMail(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		server, address string
		user            string
	}{
		"smtps with a user": {"tls", "smtps://ann%%40example.com@localhost:%s?to=ops@example.com,dev@example.com", "ann@example.com"},
		"smtps without":     {"tls", "smtps://localhost:%s?to=ops@example.com&to=dev@example.com&from=ann@example.com", ""},
		"STARTTLS, a user":  {"plain", "smtp://ann%%40example.com@localhost:%s?to=ops@example.com,dev@example.com", "ann@example.com"},
		"STARTTLS without":  {"plain", "smtp://localhost:%s?to=ops@example.com,dev@example.com&from=ann@example.com", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, server := setup(t), startMailServer(t, tt.server)
			b.cfg.roots, b.cfg.Notify.Passwords = server.roots, map[string]string{"localhost": "geheim"}
			l := b.load([]string{fmt.Sprintf(tt.address, server.port)}, "é")
			dbtest.Settle(t, b.DB, l.IDs[0], db.RowFailed)
			id := dbtest.Value[int64](t, b, `SELECT id FROM notice`)
			b.deliver()
			require.Equal(t, row{Tries: 1, Sent: true}, b.only())
			got := server.next(t)
			require.Equal(t, tt.user, got.User)
			require.True(t, got.TLS)
			require.Equal(t, "ann@example.com", got.From)
			require.Equal(t, []string{"ops@example.com", "dev@example.com"}, got.To)
			m, err := mail.ReadMessage(strings.NewReader(got.Data))
			require.NoError(t, err)
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			require.NoError(t, err)
			require.Contains(t, subject, "ended, but not every row succeeded: 1 of 1 rows did not succeed")
			require.Equal(t, fmt.Sprint(id), m.Header.Get("X-Relabel-Notice"))
			require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
			body, err := io.ReadAll(m.Body)
			require.NoError(t, err)
			require.Contains(t, string(body), "event: trouble")

			// A second try is the same mail to a mail program.
			b.exec(`UPDATE notice SET sent_at = NULL, next_try_at = clock_timestamp()`)
			b.deliver()
			again, err := mail.ReadMessage(strings.NewReader(server.next(t).Data))
			require.NoError(t, err)
			require.Equal(t, m.Header.Get("Message-Id"), again.Header.Get("Message-Id"))
		})
	}
}

// Names of people may hold commas and accents, and nothing in an address makes another
// header or another recipient.
func TestMailNames(t *testing.T) {
	t.Parallel()
	b, server := setup(t), startMailServer(t, "tls")
	b.cfg.roots = server.roots
	q := url.Values{
		"to":   {`ops+night@example.com,"Day, Doris" <dev@example.com>`},
		"from": {"=?utf-8?q?Zo=C3=AB=0D=0ABcc=3A_eve=40example.com?= <ann@example.com>"},
	}
	b.make("smtps://localhost:" + server.port + "?" + q.Encode())
	b.deliver()
	require.Equal(t, row{Tries: 1, Sent: true}, b.only())
	got := server.next(t)
	require.Equal(t, "ann@example.com", got.From)
	require.Equal(t, []string{"ops+night@example.com", "dev@example.com"}, got.To)
	m, err := mail.ReadMessage(strings.NewReader(got.Data))
	require.NoError(t, err)
	require.Empty(t, m.Header.Get("Bcc"))
	to, err := m.Header.AddressList("To")
	require.NoError(t, err)
	require.Equal(t, "Day, Doris", to[1].Name)
	require.Regexp(t, `^<relabel-\d+-\d+@example\.com>$`, m.Header.Get("Message-Id"))
}

// What can be wrong with a mail server is said without the password, and without an
// encrypted connection the password is not sent.
func TestMailRefused(t *testing.T) {
	t.Parallel()
	server, bare := startMailServer(t, "plain"), startMailServer(t, "bare")
	for name, tt := range map[string]struct {
		address, says string
		change        func(c *Config)
	}{
		"no password": {
			"smtp://ann@localhost:%s?to=ops@example.com", `there is no password for ann at localhost; set RELABEL_SMTP_PASSWORD="localhost PASSWORD" where relabel runs`,
			func(c *Config) { c.Notify.Passwords = map[string]string{"other.example.com": "geheim"} },
		},
		"a wrong password": {
			"smtp://ann@localhost:%s?to=ops@example.com", "wrong password",
			func(c *Config) { c.Notify.Passwords = map[string]string{"localhost": "falsch"} },
		},
		"an unknown certificate": {
			"smtp://ann@localhost:%s?to=ops@example.com", "certificate",
			func(c *Config) { c.roots = nil },
		},
		"a server without TLS": {
			"smtp://ann@localhost:" + bare.port + "?to=ops@example.com", "offers no encryption (STARTTLS), and the password is not sent without it: use smtps://, or another port", func(*Config) {},
		},
		"the wrong scheme": {"smtps://ann@localhost:%s?to=ops@example.com", "TLS", func(*Config) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.cfg.roots, b.cfg.Notify.Passwords = server.roots, map[string]string{"localhost": "geheim"}
			tt.change(&b.cfg)
			b.make(strings.Replace(tt.address, "%s", server.port, 1))
			b.deliver()
			got := b.only()
			require.Contains(t, strings.ToLower(got.Error), strings.ToLower(tt.says))
			require.NotContains(t, got.Error, "geheim")
			require.NotContains(t, got.Error, "falsch")
			require.True(t, got.Open)
		})
	}
}

// A server that accepts the connection and then says nothing ends the try, and so its mail.
func TestSilentMailServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	port := silentServer(t)
	b.make("smtp://localhost:" + port + "?to=ops@example.com")
	began := time.Now()
	b.deliver()
	require.Less(t, time.Since(began), 2*tryTimeout)
	require.Equal(t, "no answer in time", b.only().Error)
}
