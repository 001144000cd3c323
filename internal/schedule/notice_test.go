package schedule

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/config"
	"relabel/internal/notice"
	"relabel/internal/schedule/scheduledb"
)

// A run that changes the state of its schedule makes a notice, which goes to the
// schedule's address as it is by then, with the run.
func TestNotice(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	bodies := make(chan []byte, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
	}))
	t.Cleanup(server.Close)
	url := "https://old.example.com/hook"
	b.add(func(s *scheduledb.Schedule) { s.NotifyURL = &url })
	b.run(at2(1), "failed")
	b.exec(`UPDATE schedule SET notify_url = $1`, server.URL+"/hook/secret")
	cfg := notice.Config{DB: b.DB, Sites: b.runner.Sites, Notify: config.Notify{AllowPrivate: true}, Logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, notice.Deliver(t.Context(), cfg))
	require.NoError(t, notice.Deliver(t.Context(), cfg), "it was taken")
	require.Len(t, bodies, 1)
	var m struct {
		Event, Schedule, Text string
		ID                    int64
		Run                   scheduledb.Run
	}
	require.NoError(t, json.Unmarshal(<-bodies, &m))
	require.Equal(t, "failed", m.Event)
	require.Equal(t, "nightly", m.Schedule)
	require.Contains(t, m.Text, "nightly (site default) failed: ")
	require.Equal(t, scheduledb.RunFailed, m.Run.Status)
	list, err := notice.OfSchedule(t.Context(), b.DB, b.schedule().ID, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, 1, list[0].Tries)
	require.NotNil(t, list[0].SentAt)

	// Without an address no further try is made.
	b.exec(`UPDATE schedule SET notify_url = NULL`)
	b.exec(`UPDATE notice SET sent_at = NULL, next_try_at = now()`)
	require.NoError(t, notice.Deliver(t.Context(), cfg))
	list, err = notice.OfSchedule(t.Context(), b.DB, b.schedule().ID, 10)
	require.NoError(t, err)
	require.Nil(t, list[0].NextTryAt)
	require.Equal(t, "the address was removed", *list[0].Error)
	require.Empty(t, bodies)
}
