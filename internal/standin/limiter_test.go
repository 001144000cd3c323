package standin

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimit(t *testing.T) {
	t.Parallel()

	c := newClock()
	s := New(Config{Assets: 1, Limit: 3, Window: time.Minute, Now: c.now})
	get := func(token string) answer { return askAs(t, s, token, http.MethodGet, "/assets/"+AssetID(0), "") }
	for left := 2; left >= 0; left-- {
		a := get(testToken)
		require.Equal(t, 200, a.status)
		require.Equal(t, "3", a.header.Get("X-RateLimit-Limit"))
		require.Equal(t, strconv.Itoa(left), a.header.Get("X-RateLimit-Remaining"))
		require.Empty(t, a.header.Get("Retry-After"))
	}
	a := get(testToken)
	require.Equal(t, 429, a.status)
	require.Equal(t, "too_many_requests", a.Code)
	require.Equal(t, "0", a.header.Get("X-RateLimit-Remaining"))
	require.Equal(t, 200, get("another").status, "each token has its own")

	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, seconds)
	require.LessOrEqual(t, seconds, 60)
	c.t = c.t.Add(time.Duration(seconds) * time.Second)
	require.Equal(t, 200, get(testToken).status, "Retry-After is long enough")

	s.Spend(testToken, 1)
	require.Equal(t, "0", get(testToken).header.Get("X-RateLimit-Remaining"), "somebody else's counts")
	s.SetLimit(5, time.Minute)
	require.Equal(t, "1", get(testToken).header.Get("X-RateLimit-Remaining"), "what was used stays used")
	s.SetLimit(0, 0)
	require.Empty(t, get(testToken).header.Get("X-RateLimit-Limit"))
}

func TestRetryAfterStyles(t *testing.T) {
	t.Parallel()

	c := newClock()
	header := func(cfg Config, calls int) (a answer) {
		cfg.Assets, cfg.Now, cfg.Window = 1, c.now, time.Minute
		s := New(cfg)
		for range calls {
			a = ask(t, s, http.MethodGet, "/assets/"+AssetID(0), "")
		}
		return a
	}
	dated := header(Config{Limit: 1, RetryAfter: RetryAfterDate}, 2)
	at, err := http.ParseTime(dated.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Equal(t, c.t.Format(http.TimeFormat), dated.header.Get("Date"))
	require.Positive(t, at.Sub(c.t))
	require.LessOrEqual(t, at.Sub(c.t), time.Minute)

	none := header(Config{Limit: 1, RetryAfter: RetryAfterNone}, 2)
	require.Equal(t, 429, none.status)
	require.Empty(t, none.header.Get("Retry-After"))
	require.Equal(t, "60", header(Config{Limit: 9, RetryAfterOnSuccess: true}, 1).header.Get("Retry-After"))
}

// TestWindowsHaveAPhase: windows are fixed and do not begin with the first call; their
// phase is the seed's. Whatever it is, no window admits more than the limit.
func TestWindowsHaveAPhase(t *testing.T) {
	t.Parallel()

	phases := map[time.Duration]bool{}
	for seed := range uint64(200) {
		l := limiter{limit: 5, window: time.Minute, phase: rand.New(rand.NewPCG(seed, 0)).Float64(), used: map[string]bucket{}}
		now := newClock().t
		_, _, reset := l.take("t", now)
		require.Positive(t, reset)
		require.LessOrEqual(t, reset, time.Minute)
		phases[reset.Round(time.Second)] = true

		begin := now.Add(reset)
		admitted := 0
		for i := range 600 {
			if ok, _, _ := l.take("t", begin.Add(time.Duration(i)*100*time.Millisecond)); ok {
				admitted++
			}
		}
		require.Equal(t, 5, admitted)
		ok, left, _ := l.take("t", begin.Add(time.Minute))
		require.True(t, ok)
		require.Equal(t, 4, left)
	}
	require.Greater(t, len(phases), 40, "phases are spread over the window")
}
