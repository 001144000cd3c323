package config

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Variables for notices. They are exported for messages that name them.
const (
	NotifySecretVar  = "RELABEL_NOTIFY_SECRET" //nolint:gosec // the variable's name
	NotifyPrivateVar = "RELABEL_NOTIFY_ALLOW_PRIVATE"
	NotifyHeadersVar = "RELABEL_NOTIFY_HEADERS"
	SMTPPasswordVar  = "RELABEL_SMTP_PASSWORD" //nolint:gosec // the variable's name
)

// Notify is what this process needs to deliver notices. Headers and passwords belong to a
// host: the addresses of notices are stored settings, and whoever stores another address
// must not get them.
type Notify struct {
	AllowPrivate bool                   // addresses in private networks, and http
	Secret       string                 // signs notices; empty: they are not signed
	Headers      map[string]http.Header // by host
	Passwords    map[string]string      // of mail servers, by host
}

func (e environment) notify() (n Notify, err error) {
	private := e.get(NotifyPrivateVar)
	n = Notify{AllowPrivate: private == "1" || private == "true", Secret: e.get(NotifySecretVar)}
	if n.Headers, err = parseHeaders(e.get(NotifyHeadersVar)); err != nil {
		return n, fmt.Errorf("%s: %w", NotifyHeadersVar, err)
	}
	if n.Passwords, err = parsePasswords(e.get(SMTPPasswordVar)); err != nil {
		return n, fmt.Errorf("%s: %w", SMTPPasswordVar, err)
	}
	return n, nil
}

// parseHeaders reads lines of HOST NAME: VALUE. Errors never hold a value.
func parseHeaders(s string) (map[string]http.Header, error) {
	headers := map[string]http.Header{}
	for host, rest := range hostLines(s) {
		name, value, ok := strings.Cut(rest, ":")
		if value = strings.TrimSpace(value); !ok || value == "" || !isHeaderName(name) {
			return nil, errors.New("each line is HOST NAME: VALUE, such as hooks.example.com Authorization: Bearer TOKEN")
		}
		if headers[host] == nil {
			headers[host] = http.Header{}
		}
		headers[host].Add(name, value)
	}
	return headers, nil
}

// isHeaderName accepts what all servers accept: letters, digits and hyphens.
func isHeaderName(name string) bool {
	return name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// parsePasswords reads lines of HOST PASSWORD.
func parsePasswords(s string) (map[string]string, error) {
	passwords := map[string]string{}
	for host, password := range hostLines(s) {
		if password == "" {
			return nil, errors.New("each line is HOST PASSWORD: the password is sent to that mail server only")
		}
		passwords[host] = password
	}
	return passwords, nil
}

// hostLines iterates over the lines of a variable: a host, and what follows it.
func hostLines(s string) func(yield func(host, rest string) bool) {
	return func(yield func(host, rest string) bool) {
		for line := range strings.Lines(s) {
			host, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			if host != "" && !yield(strings.ToLower(host), strings.TrimSpace(rest)) {
				return
			}
		}
	}
}
