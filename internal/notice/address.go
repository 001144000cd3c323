package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"relabel/internal/config"
	"relabel/internal/outward"
)

// maxAddresses is the most addresses of a site, because each change makes a notice for each.
const maxAddresses = 10

// Check returns an error if notices can't be sent to an address. Call it before storing one.
func Check(address string, allowPrivate bool) error {
	_, err := parse(address, allowPrivate)
	return err
}

// CheckAll checks the addresses that are not stored yet. Those before are not checked again:
// the workers' environment may allow them although that of this process does not.
func CheckAll(before, addresses []string, allowPrivate bool) error {
	if len(addresses) > maxAddresses {
		return fmt.Errorf("at most %d addresses get notices, not %d", maxAddresses, len(addresses))
	}
	for _, a := range addresses {
		if slices.Contains(before, a) {
			continue
		}
		if err := Check(a, allowPrivate); err != nil {
			return err
		}
	}
	return nil
}

// parse reads an address: an https URL, or a mail server with its recipients.
func parse(address string, allowPrivate bool) (*url.URL, error) {
	u, err := url.Parse(address)
	if err == nil && isMail(u) {
		return u, checkMail(u)
	}
	return outward.ParseURL(address, allowPrivate, config.NotifyPrivateVar)
}

func isMail(u *url.URL) bool { return u.Scheme == "smtp" || u.Scheme == "smtps" }

func checkMail(u *url.URL) error {
	if _, given := u.User.Password(); given {
		return fmt.Errorf("a URL with a password in it is not stored: leave it out, and set %s=\"%s PASSWORD\" where relabel runs",
			config.SMTPPasswordVar, u.Hostname())
	}
	if u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return errors.New("a mail server looks like smtps://USER@HOST:PORT?to=ADDRESS")
	}
	q := u.Query()
	for name := range q {
		if name != "to" && name != "from" {
			return fmt.Errorf("a mail server's URL has to and from, not %q", name)
		}
	}
	if _, err := recipients(u); err != nil {
		return errors.New("the URL of a mail server needs ?to=ADDRESS: who gets the mail; several with commas between, and + written as %2B")
	}
	if _, err := sender(u); err != nil {
		return errors.New("the URL of a mail server has from=ADDRESS: who the mail is from; write + as %2B")
	}
	return outward.CheckPort(u)
}

// recipients are the addresses that get the mail.
func recipients(u *url.URL) ([]*mail.Address, error) {
	return mail.ParseAddressList(strings.Join(u.Query()["to"], ","))
}

// sender is the From address: from= of the URL, else the user if that is an address, else
// the first recipient.
func sender(u *url.URL) (*mail.Address, error) {
	switch from := u.Query().Get("from"); {
	case from != "":
		return mail.ParseAddress(from)
	case strings.Contains(u.User.Username(), "@"):
		return mail.ParseAddress(u.User.Username())
	}
	to, err := recipients(u)
	if err != nil {
		return nil, err
	}
	return &mail.Address{Address: to[0].Address}, nil
}

// Shown is an address without what may be secret: the path and the query of a web hook.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || !isMail(u) {
		return outward.ShownHost(address)
	}
	return u.Scheme + "://" + u.Host + "?to=" + strings.Join(u.Query()["to"], ",")
}

// ShownAll shows several addresses.
func ShownAll(addresses []string) []string {
	shown := make([]string, len(addresses))
	for i, a := range addresses {
		shown[i] = Shown(a)
	}
	return shown
}

// Key names an address in a form without showing it.
func Key(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}
