package schedule

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"relabel/internal/failpoint"
	"relabel/internal/schedule/scheduledb"
)

const (
	// notifyTimeout bounds one try as a whole.
	notifyTimeout = 10 * time.Second

	// notifyDrain is how much of an answer is read, so that the server can finish.
	notifyDrain = 4 << 10
)

// notifyDelays returns the wait after each failed try. There are nine tries in
// all, over a day.
func notifyDelays() []time.Duration {
	return []time.Duration{
		10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	}
}

// message is the JSON that is posted. Slack and similar services show Text.
type message struct {
	Text     string          `json:"text"`
	ID       int64           `json:"id"` // the same for each try
	Event    string          `json:"event"`
	Schedule string          `json:"schedule"`
	Site     string          `json:"site"`
	Detail   string          `json:"detail"`
	At       time.Time       `json:"at"`
	Run      *scheduledb.Run `json:"run"` // its state at the time of the post
}

// notify posts notices, each time that a look finds some, until ctx ends.
func (r *Runner) notify(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.noticeWake:
		}
		if err := r.Notify(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("notices can't be sent until the database answers", "error", err)
		}
	}
}

// Notify posts each notice that is due once. If its result can't be recorded, the
// notice is posted again when its next try is due.
func (r *Runner) Notify(ctx context.Context) error {
	now, err := dbCall(ctx, r, r.cfg.Now)
	if err != nil {
		return err
	}
	list, err := dbCall(ctx, r, func(ctx context.Context) ([]scheduledb.Notice, error) {
		return scheduledb.TakeNotices(ctx, r.cfg.DB, scheduledb.NoticeParams{SiteIDs: r.Sites(), Now: now, Delays: notifyDelays()})
	})
	if err != nil {
		return err
	}
	var errs error
	for _, n := range list {
		posted := r.post(ctx, n, now)
		failpoint.Hit("notice-posted")
		errs = errors.Join(errs, r.recordNotice(ctx, n, posted))
	}
	return errs
}

// recordNotice records the result of a try.
func (r *Runner) recordNotice(ctx context.Context, n scheduledb.Notice, posted error) error {
	if posted != nil && ctx.Err() != nil {
		return posted // the process stops: the notice is posted again when its next try is due
	}
	level := slog.LevelWarn
	if n.URL == "" { // somebody removed --notify
		level = slog.LevelInfo
	}
	if posted != nil {
		r.cfg.Logger.Log(ctx, level, "a notice could not be delivered", "schedule", n.Schedule, "event", n.Event, "try", n.Tries, "error", posted)
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.dbTimeout)
	defer cancel()
	if posted != nil {
		return scheduledb.NoticeFailed(ctx, r.cfg.DB, n.ID, CleanLine(posted.Error()), n.URL == "")
	}
	return scheduledb.NoticeSent(ctx, r.cfg.DB, n.ID)
}

// post posts one notice. Any 2xx answer accepts it; a redirect is a failure.
func (r *Runner) post(ctx context.Context, n scheduledb.Notice, now time.Time) error {
	allow := r.cfg.allowed(NotifyAllowPrivate)
	if n.URL == "" {
		return errors.New("the schedule has no --notify any more")
	}
	if _, err := ParseURL(n.URL, allow); err != nil {
		return err
	}
	m := messageOf(n)
	run, err := dbCall(ctx, r, func(ctx context.Context) (scheduledb.Run, error) { return scheduledb.RunByID(ctx, r.cfg.DB, n.RunID) })
	if err == nil {
		m.Run = &run
	}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("error writing the notice: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL, bytes.NewReader(body))
	if err != nil {
		return errNoURL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "relabel")
	if secret, _ := r.cfg.LookupEnv(NotifySecret); secret != "" {
		sign(req.Header, secret, now, body)
	}
	client := newClient(allow, notifyTimeout)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return withoutURL(err, NotifyAllowPrivate)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, notifyDrain))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	return nil
}

// sign lets the receiver check who posted what, and when: HMAC-SHA256 over the
// time, a dot and the body.
func sign(h http.Header, secret string, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	h.Set("X-Relabel-Timestamp", at)
	h.Set("X-Relabel-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

func messageOf(n scheduledb.Notice) message {
	is := map[string]string{
		"failed": "failed", "trouble": "ended, but not every row succeeded", "recovered": "works again", "held": "is held back",
		"parked": "waits: the site is parked", "missed": "was missed",
	}[n.Event]
	text := fmt.Sprintf("relabel: %s (site %s) %s: %s", n.Schedule, n.Site, is, n.Detail)
	return message{
		// A source or an API must not be able to send Slack markup.
		Text: strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text),
		ID:   n.ID, Event: n.Event, Schedule: n.Schedule, Site: n.Site, Detail: n.Detail, At: n.CreatedAt,
	}
}
