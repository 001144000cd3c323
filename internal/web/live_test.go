package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

// However many look at the same, it is read once a turn; when nobody looks it is not read.
func TestHubReadsOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(slog.New(slog.NewTextHandler(io.Discard, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		go h.run(ctx)
		reads := atomic.Int64{}
		text := atomic.Value{}
		text.Store("one")
		render := func(context.Context) ([]byte, error) {
			reads.Add(1)
			if text.Load() == "" {
				return nil, errors.New("the database is away")
			}
			return []byte(text.Load().(string)), nil
		}
		first, leaveFirst, ok := h.subscribe("t", render)
		require.True(t, ok)
		second, leaveSecond, ok := h.subscribe("t", render)
		require.True(t, ok)
		require.Equal(t, "one", string(<-first))
		require.Equal(t, "one", string(<-second))
		require.EqualValues(t, 1, reads.Load())

		time.Sleep(3*liveEvery + liveEvery/2) //nolint:forbidigo // the clock of synctest
		require.EqualValues(t, 4, reads.Load())
		require.Empty(t, first, "nothing new is not told")
		third, leaveThird, _ := h.subscribe("t", render)
		require.Equal(t, "one", string(<-third), "who comes later gets what is known")
		leaveThird()

		text.Store("two")
		require.Equal(t, "two", string(<-first))
		text.Store("three")
		time.Sleep(2 * liveEvery) //nolint:forbidigo // the clock of synctest
		require.Equal(t, "three", string(<-second), "who is slow misses what is in between")
		require.Equal(t, "three", string(<-first))

		text.Store("")
		time.Sleep(2 * liveEvery) //nolint:forbidigo // the clock of synctest
		text.Store("four")
		require.Equal(t, "four", string(<-first), "an error is no end")

		leaveFirst()
		leaveSecond()
		before := reads.Load()
		time.Sleep(5 * liveEvery) //nolint:forbidigo // the clock of synctest
		require.Equal(t, before, reads.Load(), "nobody looks")
		require.Empty(t, h.topics)

		last, _, _ := h.subscribe("u", render)
		cancel()
		for range last { // until it is closed
		}
		_, _, ok = h.subscribe("t", render)
		require.False(t, ok, "it has ended")
	})
}

// Reading many topics takes at most half of the time.
func TestHubRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(slog.New(slog.NewTextHandler(io.Discard, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go h.run(ctx)
		reads := atomic.Int64{}
		_, leave, _ := h.subscribe("t", func(ctx context.Context) ([]byte, error) {
			reads.Add(1)
			select {
			case <-time.After(3 * liveEvery):
			case <-ctx.Done():
			}
			return nil, nil
		})
		defer leave()
		time.Sleep(60 * liveEvery) //nolint:forbidigo // the clock of synctest
		require.EqualValues(t, 10, reads.Load())
	})
}

// Only the pages that exist have a topic, each under one name.
func TestTopics(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	b.exampleSchedules(t)
	c := b.login(t, RoleChange)
	require.Equal(t, http.StatusSeeOther, c.upload(rows(1, "a.jpg")).StatusCode)
	for topic, want := range map[string]bool{
		"overview": true, "batch/1": true, "schedule/nightly": true,
		"": false, "overview/": false, "overview/x": false, "batches/1": false, "schedules/nightly": false, "schedule": false,
		"schedule/none": false, "schedule/nightly/": false, "batch": false, "batch/2": false, "batch/01": false, "batch/+1": false,
		"batch/1/": false, "batch/x": false, "batch/-1": false, "login": false,
	} {
		require.Equal(t, want, b.server.topic(t.Context(), topic) != nil, topic)
	}
	require.Equal(t, http.StatusNotFound, c.get("/live/batch/01").StatusCode)
}

// One session opens 20 streams, and those of others stay possible.
func TestStreamsOfASession(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleLook)
	for range streamAllowance().eachLook {
		c.stream("/live/overview")
	}
	require.Equal(t, http.StatusServiceUnavailable, c.get("/live/overview").StatusCode)
	require.NotEmpty(t, <-b.login(t, RoleLook).stream("/live/overview"))
}

// A stream ends with its session.
func TestLogoutEndsStreams(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c, other := b.login(t, RoleLook), b.login(t, RoleLook)
	events, others := c.stream("/live/overview"), other.stream("/live/overview")
	require.NotEmpty(t, <-events)
	require.NotEmpty(t, <-others)
	require.Equal(t, http.StatusSeeOther, c.post("/logout", nil).StatusCode)
	for range events { // until it ends
	}
	require.Equal(t, http.StatusOK, other.get("/").StatusCode)
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: "blog"}))
	require.Contains(t, <-others, "blog")
}

// stream gives the events of a topic, each without its "data: ".
func (c *browser) stream(path string) <-chan string {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := c.request(http.MethodGet, path, nil, "Accept", "text/event-stream").WithContext(ctx)
	res, err := c.client.Do(r) //nolint:bodyclose // the reader of the events closes it
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, res.StatusCode)
	require.Equal(c.t, "text/event-stream", res.Header.Get("Content-Type"))
	out := make(chan string, 100)
	ended := make(chan struct{})
	c.t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		defer close(out)
		defer res.Body.Close() //nolint:errcheck // was only read
		var text strings.Builder
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			line, isData := strings.CutPrefix(lines.Text(), "data: ")
			switch {
			case isData:
				text.WriteString(line + "\n")
			case lines.Text() == "" && text.Len() > 0:
				out <- text.String()
				text.Reset()
			}
		}
	}()
	return out
}

// CR, LF and CRLF end a line of an event alike.
func TestEvent(t *testing.T) {
	t.Parallel()
	require.Equal(t, "data: a\ndata: b\ndata: c\ndata: \ndata: d\n\n", string(event([]byte("\na\rb\r\nc\n\rd\r"))))
}

// A name with line breaks does not begin an event of its own.
func TestNameWithLineBreaksStaysInItsEvent(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	require.Equal(t, http.StatusSeeOther, c.upload(rows(1, "a.jpg")).StatusCode)
	_, err := b.Pool().Exec(t.Context(), `UPDATE batch SET name = E'spring\r\rdata: <p>\r\rend'`)
	require.NoError(t, err)
	first := <-c.stream("/live/batch/1")
	require.NotContains(t, first, "\r")
	require.Contains(t, first, "spring\n\ndata: &lt;p&gt;\n\nend")
}

// A stream shows what the page shows, and moves.
func TestStream(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	c.upload(rows(3, "new.jpg"))
	c.see("/batch/1", "would change")
	c.post("/batch/1/apply", nil)
	page := c.get("/batch/1").text
	events := c.stream("/live/batch/1")
	looker := b.login(t, RoleLook).stream("/live/batch/1")
	first := <-events
	for line := range strings.SplitSeq(strings.TrimSpace(first), "\n") {
		require.Contains(t, page, strings.TrimRight(line, " "))
	}
	require.Contains(t, first, `action="/batch/1/pause"`)
	require.NotContains(t, <-looker, "<form", "who may look gets no buttons")
	c.post("/batch/1/pause", nil)
	require.Contains(t, <-events, `action="/batch/1/resume"`)
	require.Contains(t, <-looker, ">paused</span>")

	require.Equal(t, http.StatusNotFound, c.get("/live/nothing").StatusCode)
	for _, topic := range []string{"overview", "batches", "schedules"} {
		require.NotEmpty(t, <-c.stream("/live/"+topic), topic)
	}
}
