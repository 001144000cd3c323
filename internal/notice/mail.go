package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"relabel/internal/config"
	"relabel/internal/outward"
)

// Ports of the two schemes. RFC 8314 recommends TLS from the first byte, on 465.
const (
	smtpPort  = 587
	smtpsPort = 465
)

// mail sends a notice as a mail. With a user the connection must be encrypted; without one
// it is if the server can.
func (c Config) mail(ctx context.Context, u *url.URL, m message) error {
	letter, err := letterOf(u, m)
	if err != nil {
		return err
	}
	options, err := c.mailOptions(ctx, u)
	if err != nil {
		return err
	}
	client, err := mail.NewClient(u.Hostname(), options...)
	if err != nil {
		return fmt.Errorf("error preparing the mail: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, letter); err != nil {
		if ctx.Err() != nil {
			return errors.New("no answer in time")
		}
		return whyNotSent(err)
	}
	return nil
}

// whyNotSent is an error of the library in plain words, where a person can do something.
func whyNotSent(err error) error {
	if strings.Contains(err.Error(), "does not support STARTTLS") {
		return errors.New("the mail server offers no encryption (STARTTLS), and the password is not sent without it: use smtps://, or another port")
	}
	return outward.WithoutURL(err, config.NotifyPrivateVar)
}

func (c Config) mailOptions(ctx context.Context, u *url.URL) ([]mail.Option, error) {
	port, err := mailPort(u)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(2 * tryTimeout), // ctx ends the try before that
		mail.WithTLSPolicy(mail.TLSOpportunistic),
		mail.WithDialContextFunc(c.dialMail(ctx, u, port)), mail.WithTLSConfig(c.tlsConfig(u)),
	}
	if u.Scheme == "smtps" {
		options = append(options, mail.WithSSL())
	}
	user := u.User.Username()
	if user == "" {
		return options, nil
	}
	password := c.Notify.Passwords[strings.ToLower(u.Hostname())]
	if password == "" {
		return nil, fmt.Errorf("there is no password for %s at %s; set %s=\"%s PASSWORD\" where relabel runs",
			user, u.Hostname(), config.SMTPPasswordVar, u.Hostname())
	}
	return append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithUsername(user), mail.WithPassword(password),
		mail.WithOpportunisticSMTPAuth(mail.SMTPAuthPlain, mail.SMTPAuthLogin)), nil
}

func mailPort(u *url.URL) (int, error) {
	switch {
	case u.Port() != "":
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			return 0, outward.ErrNoURL
		}
		return port, nil
	case u.Scheme == "smtps":
		return smtpsPort, nil
	}
	return smtpPort, nil
}

func (c Config) tlsConfig(u *url.URL) *tls.Config {
	return &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, RootCAs: c.roots}
}

// dialMail connects as web hooks do. The connection ends with ctx: the library's own
// time-out is for each command, and its own address has no brackets around an IPv6 host.
func (c Config) dialMail(try context.Context, u *url.URL, port int) mail.DialContextFunc {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		address := net.JoinHostPort(u.Hostname(), strconv.Itoa(port))
		conn, err := outward.Dialer(c.Notify.AllowPrivate).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(try, func() { _ = conn.Close() })
		if u.Scheme != "smtps" {
			return conn, nil
		}
		secure := tls.Client(conn, c.tlsConfig(u))
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secure, nil
	}
}

// letterOf makes the mail. Its Message-ID is the same for each try, so mail programs show
// a second copy as one.
func letterOf(u *url.URL, m message) (*mail.Msg, error) {
	from, err := sender(u)
	if err != nil {
		return nil, fmt.Errorf("error reading the sender: %w", err)
	}
	to, err := recipients(u)
	if err != nil {
		return nil, fmt.Errorf("error reading the recipients: %w", err)
	}
	letter := mail.NewMsg(mail.WithNoDefaultUserAgent())
	letter.FromMailAddress(from)
	letter.ToMailAddress(to...) // the library's own reader of lists takes a comma in a name for the end of an address
	domain := from.Address[strings.LastIndex(from.Address, "@")+1:]
	letter.SetMessageIDWithValue(fmt.Sprintf("relabel-%d-%d@%s", m.ID, m.At.UnixMicro(), domain))
	letter.SetDateWithValue(m.sentAt)
	letter.SetGenHeader("X-Relabel-Notice", strconv.FormatInt(m.ID, 10))
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no automatic replies
	letter.Subject(m.subject)
	letter.SetBodyString(mail.TypeTextPlain, m.body())
	return letter, nil
}

// body is the text of the mail.
func (m message) body() string {
	lines := []string{m.subject, "", "event: " + m.Event, "site: " + m.Site}
	if m.Schedule != "" {
		lines = append(lines, "schedule: "+m.Schedule)
	}
	if b := m.Batch; b != nil {
		lines = append(lines, fmt.Sprintf("batch: %d, %s", b.Batch, b.Name), fmt.Sprintf(
			"rows: %d; succeeded %d, unchanged %d, superseded %d, failed %d, conflict %d, invalid %d, cancelled %d, to send %d",
			b.Total, b.Succeeded, b.Unchanged, b.Superseded, b.Failed, b.Conflict, b.Invalid, b.Cancelled, b.Pending+b.Sending))
	}
	lines = append(lines, "at: "+m.At.UTC().Format("2006-01-02 15:04:05 UTC"), fmt.Sprintf("notice: %d", m.ID))
	return strings.Join(lines, "\n") + "\n"
}
