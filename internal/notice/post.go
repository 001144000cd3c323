package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"relabel/internal/config"
	"relabel/internal/outward"
)

// drain is how much of an answer is read, so that the server can finish.
const drain = 4 << 10

// post posts a notice to a web hook. Any 2xx answer accepts it; a redirect is a failure.
func (c Config) post(ctx context.Context, u *url.URL, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("error writing the notice: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return outward.ErrNoURL
	}
	maps.Copy(req.Header, c.Notify.Headers[strings.ToLower(u.Host)])
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "relabel")
	if c.Notify.Secret != "" {
		sign(req.Header, c.Notify.Secret, m.sentAt, body)
	}
	client := outward.NewClient(c.Notify.AllowPrivate, config.NotifyPrivateVar, tryTimeout)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return outward.WithoutURL(err, config.NotifyPrivateVar)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drain))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	return nil
}

// sign returns the signature by which the receiver checks sender, body and time: the
// HMAC-SHA256 of the time, a dot and the body.
func sign(h http.Header, secret string, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	h.Set("X-Relabel-Timestamp", at)
	h.Set("X-Relabel-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
}
