package standin

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLog(t *testing.T) {
	t.Parallel()

	c := newClock()
	s := New(Config{Assets: 2, Now: c.now})
	ask(t, s, http.MethodPatch, "/v2/assets/"+AssetID(1)+"?localeId="+FrenchLocale, `{"displayName":"n","altText":"a","localeId":"`+FrenchLocale+`"}`)
	ask(t, s, http.MethodGet, "/v2/sites/"+SiteID, "")
	ask(t, s, http.MethodPatch, "/v2/assets/"+AssetID(5), `{"displayName":"m"}`)
	ask(t, s, http.MethodPatch, "/v2/assets/"+AssetID(0), `{"altText":""}`)

	n, a, m, empty := "n", "a", "m", ""
	token := fingerprint(testToken)
	require.Equal(t, []Call{
		{
			Number: 1, ArrivedAt: c.t, AnsweredAt: c.t, Method: "PATCH", Path: "/v2/assets/" + AssetID(1), AssetID: AssetID(1),
			LocaleInQuery: FrenchLocale, LocaleInBody: FrenchLocale, DisplayName: &n, AltText: &a, Token: token, Status: 200, Applied: true, AppliedOrder: 1,
		},
		{Number: 2, ArrivedAt: c.t, AnsweredAt: c.t, Method: "GET", Path: "/v2/sites/" + SiteID, Token: token, Status: 200},
		{
			Number: 3, ArrivedAt: c.t, AnsweredAt: c.t, Method: "PATCH", Path: "/v2/assets/" + AssetID(5), AssetID: AssetID(5),
			DisplayName: &m, Token: token, Status: 404,
		},
		{
			Number: 4, ArrivedAt: c.t, AnsweredAt: c.t, Method: "PATCH", Path: "/v2/assets/" + AssetID(0), AssetID: AssetID(0),
			AltText: &empty, Token: token, Status: 200, Applied: true, AppliedOrder: 2,
		},
	}, s.Log())
	require.Equal(t, AssetID(1)+"/"+FrenchLocale, s.Log()[0].Target())

	s.Log()[0].Status = 500
	require.Equal(t, 200, s.Log()[0].Status, "a copy")
}

func TestMaxInWindow(t *testing.T) {
	t.Parallel()

	at := func(token string, ms ...int) (calls []Call) {
		for _, m := range ms {
			calls = append(calls, Call{Token: token, ArrivedAt: newClock().t.Add(time.Duration(m) * time.Millisecond)})
		}
		return calls
	}
	tests := []struct {
		name  string
		calls []Call
		want  int
	}{
		{"none", nil, 0},
		{"one", at("a", 0), 1},
		{"a window apart", at("a", 0, 1000, 2000), 1},
		{"just within", at("a", 0, 999), 2},
		{"across the edge of fixed windows", at("a", 0, 900, 950, 1050, 1100, 1899), 5},
		{"at once", at("a", 5, 5, 5), 3},
		{"two tokens", append(at("a", 0, 1), at("b", 2, 3, 4)...), 3},
	}
	for _, tt := range tests {
		s := New(Config{})
		s.calls = tt.calls
		require.Equal(t, tt.want, s.MaxInWindow(time.Second), tt.name)
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()

	// call is in flight from one second to another; to 0 is still in flight.
	call := func(n int, method, asset string, from, to int) Call {
		c := Call{Number: n, Method: method, AssetID: asset, ArrivedAt: newClock().t.Add(time.Duration(from) * time.Second)}
		if to > 0 {
			c.AnsweredAt = newClock().t.Add(time.Duration(to) * time.Second)
		}
		return c
	}
	tests := []struct {
		name  string
		calls []Call
		want  [][2]int
	}{
		{"one after the other", []Call{call(1, "PATCH", "a", 0, 1), call(2, "PATCH", "a", 1, 2)}, nil},
		{"together", []Call{call(1, "PATCH", "a", 0, 9), call(2, "PATCH", "a", 1, 2)}, [][2]int{{1, 2}}},
		{"a long one and two after", []Call{call(1, "PATCH", "a", 0, 9), call(2, "PATCH", "a", 1, 2), call(3, "PATCH", "a", 5, 6)}, [][2]int{{1, 2}, {1, 3}}},
		{"other targets", []Call{call(1, "PATCH", "a", 0, 9), call(2, "PATCH", "b", 1, 2)}, nil},
		{"a read", []Call{call(1, "PATCH", "a", 0, 9), call(2, "GET", "a", 1, 2)}, nil},
		{"still in flight", []Call{call(1, "PATCH", "a", 0, 0), call(2, "PATCH", "a", 50, 51), call(3, "PATCH", "a", 60, 61)}, [][2]int{{1, 2}, {1, 3}}},
		{"within the slack", []Call{call(1, "PATCH", "a", 0, 4), call(2, "PATCH", "a", 3, 5)}, nil},
	}
	for _, tt := range tests {
		s := New(Config{})
		s.calls = tt.calls
		var got [][2]int
		for _, o := range s.Overlaps(time.Second) {
			got = append(got, [2]int{o.First.Number, o.Second.Number})
		}
		require.Equal(t, tt.want, got, tt.name)
	}
}

func TestWaitCalls(t *testing.T) {
	t.Parallel()

	s := New(Config{})
	waited := make(chan error)
	go func() { waited <- s.WaitCalls(t.Context(), 2) }()
	ask(t, s, http.MethodGet, "/", "")
	ask(t, s, http.MethodGet, "/", "")
	require.NoError(t, <-waited)
	require.NoError(t, s.WaitCalls(t.Context(), 1))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.WaitCalls(ctx, 3), context.Canceled)
}
