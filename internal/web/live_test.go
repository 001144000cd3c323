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
		require.Zero(t, h.streams)

		last, _, _ := h.subscribe("u", render)
		cancel()
		for range last { // until it is closed
		}
		_, _, ok = h.subscribe("t", render)
		require.False(t, ok, "it has ended")
	})
}

func TestHubIsBounded(t *testing.T) {
	t.Parallel()
	h := newHub(slog.New(slog.NewTextHandler(io.Discard, nil)))
	for range maxStreams {
		_, _, ok := h.subscribe("t", nil)
		require.True(t, ok)
	}
	_, _, ok := h.subscribe("t", nil)
	require.False(t, ok)
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
