package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const testToken = "4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee1"

// answer is what came back, decoded as far as the tests look.
type answer struct {
	status int
	header http.Header
	body   string

	Code        string `json:"code"`
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

// ask sends one request straight into the handler.
func ask(t *testing.T, s *Server, method, path, body string) answer {
	t.Helper()
	return askAs(t, s, testToken, method, path, body)
}

func askAs(t *testing.T, s *Server, token, method, path, body string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), body: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a)
	return a
}

// clock is a time that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)} }

func TestUpdate(t *testing.T) {
	t.Parallel()

	s := New(Config{Assets: 2})
	id := AssetID(0)
	path := "/v2/assets/" + id
	tests := []struct {
		name, path, body string
		status           int
		code, want       string
	}{
		{"name", path, `{"displayName":"a"}`, 200, "", "a"},
		{"primary locale", path, `{"displayName":"b","localeId":"` + PrimaryLocale + `"}`, 200, "", "b"},
		{"locale in the body", path, `{"displayName":"c","localeId":"` + FrenchLocale + `"}`, 200, "", "c"},
		{"locale in the query", path + "?localeId=" + GermanLocale, `{"displayName":"d"}`, 200, "", "d"},
		{"locale in both", path + "?localeId=" + GermanLocale, `{"displayName":"e","localeId":"` + GermanLocale + `"}`, 200, "", "e"},
		{"two locales", path + "?localeId=" + GermanLocale, `{"displayName":"x","localeId":"` + FrenchLocale + `"}`, 400, "validation_error", ""},
		{"unknown locale", path, `{"displayName":"x","localeId":"652000000000000000000001"}`, 400, "validation_error", ""},
		{"not JSON", path, `displayName=x`, 400, "validation_error", ""},
		{"wrong type", path, `{"displayName":5}`, 400, "validation_error", ""},
		{"no asset", "/v2/assets/" + AssetID(7), `{"displayName":"x"}`, 404, "resource_not_found", ""},
		{"no objectid", "/v2/assets/x", `{"displayName":"x"}`, 400, "validation_error", ""},
		{"no route", "/v2/pages/" + id, `{"displayName":"x"}`, 404, "resource_not_found", ""},
	}
	for _, tt := range tests {
		a := ask(t, s, http.MethodPatch, tt.path, tt.body)
		require.Equal(t, tt.status, a.status, tt.name)
		require.Equal(t, tt.code, a.Code, tt.name)
		require.Equal(t, tt.want, a.DisplayName, tt.name)
	}
	require.Equal(t, "b", s.Name(id, ""))
	require.Equal(t, "b", s.Name(id, PrimaryLocale))
	require.Equal(t, "c", s.Name(id, FrenchLocale))
	require.Equal(t, "e", s.Name(id, GermanLocale))
	require.Nil(t, s.AltText(id, ""))
	require.Equal(t, 200, ask(t, s, http.MethodPatch, path, `{"altText":"alt"}`).status)
	require.Equal(t, "alt", *s.AltText(id, FrenchLocale), "as in the primary locale")
	require.Equal(t, "b", s.Name(id, ""), "what is not given is left alone")
}

// TestAnswerIsTheWholeAsset holds an answer against the fields that Webflow's Update
// Asset page requires.
func TestAnswerIsTheWholeAsset(t *testing.T) {
	t.Parallel()

	s := New(Config{Assets: 1})
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(ask(t, s, http.MethodGet, "/v2/assets/"+AssetID(0), "").body), &got))
	for _, field := range []string{
		"id", "contentType", "size", "siteId", "hostedUrl", "originalFileName", "displayName", "lastUpdated", "createdOn", "variants", "altText",
	} {
		require.Contains(t, got, field)
	}
	for _, field := range []string{"hostedUrl", "originalFileName", "displayName", "format", "width", "height", "quality"} {
		require.Contains(t, got["variants"].([]any)[0], field)
	}
}

func TestByHand(t *testing.T) {
	t.Parallel()

	s := New(Config{Assets: 2, Normalise: strings.ToLower})
	require.Equal(t, "b.jpg", ask(t, s, http.MethodPatch, "/assets/"+AssetID(0), `{"displayName":"B.JPG"}`).DisplayName)
	require.True(t, s.SetName(AssetID(0), FrenchLocale, "Mine"))
	require.False(t, s.SetName(AssetID(9), "", "Mine"))
	require.Equal(t, "Mine", s.Name(AssetID(0), FrenchLocale))
	s.RemoveAsset(AssetID(0))
	require.Equal(t, 404, ask(t, s, http.MethodGet, "/assets/"+AssetID(0), "").status)
	require.Empty(t, s.Name(AssetID(0), ""))
	require.Equal(t, []string{AssetID(2)}, s.AddAssets(1))
	s.AddAsset("aaaaaaaaaaaaaaaaaaaaaaaa", "logo.svg")
	require.Equal(t, "logo.svg", s.Name("aaaaaaaaaaaaaaaaaaaaaaaa", ""))
	require.Contains(t, ask(t, s, http.MethodGet, "/sites/"+SiteID+"/assets", "").body, `"total":3`)
}

func TestCreateUnknown(t *testing.T) {
	t.Parallel()

	s := New(Config{CreateUnknown: true})
	id := "bbbbbbbbbbbbbbbbbbbbbbbb"
	a := ask(t, s, http.MethodPatch, "/v2/assets/"+id, `{"displayName":"n","localeId":"cccccccccccccccccccccccc"}`)
	require.Equal(t, 200, a.status)
	require.Equal(t, "n", a.DisplayName)
	require.Equal(t, id+".jpg", s.Name(id, ""))
	require.Equal(t, "dddddddddddddddddddddddd", ask(t, s, http.MethodGet, "/v2/sites/dddddddddddddddddddddddd", "").ID)
}

func TestTokens(t *testing.T) {
	t.Parallel()

	s := New(Config{Assets: 1, Tokens: []string{testToken}})
	status := func(token string) int { return askAs(t, s, token, http.MethodGet, "/assets/"+AssetID(0), "").status }
	require.Equal(t, 200, status(testToken))
	require.Equal(t, 401, status("another"))
	require.Equal(t, 401, status(""))
	s.SetToken(testToken, TokenForbidden)
	require.Equal(t, 403, status(testToken))
	s.SetToken(testToken, TokenInvalid)
	require.Equal(t, 401, status(testToken))
	s.SetToken("another", TokenValid)
	require.Equal(t, 200, status("another"))
	require.Equal(t, 200, askAs(t, New(Config{Assets: 1}), "any", http.MethodGet, "/assets/"+AssetID(0), "").status)

	require.NotContains(t, fmt.Sprintf("%+v", s.Log()), testToken)
	require.NotContains(t, fmt.Sprintf("%+v", s.tokens), testToken)
	require.Len(t, s.Log()[0].Token, 16)
}

func TestSeedDecidesChances(t *testing.T) {
	t.Parallel()

	run := func(seed uint64) (statuses []int) {
		s := New(Config{Seed: seed, Assets: 1, Chances: []Chance{{0.2, Status(500)}, {0.1, RateLimited("1")}}})
		for range 300 {
			statuses = append(statuses, ask(t, s, http.MethodGet, "/assets/"+AssetID(0), "").status)
		}
		return statuses
	}
	one := run(1)
	require.Equal(t, one, run(1))
	require.NotEqual(t, one, run(2))
	count := map[int]int{}
	for _, status := range one {
		count[status]++
	}
	require.InDelta(t, 60, count[500], 30)
	require.InDelta(t, 30, count[429], 20)
}

func TestScripts(t *testing.T) {
	t.Parallel()

	s := New(Config{Assets: 2, Limit: 6, Window: time.Hour, Tokens: []string{testToken}, Chances: []Chance{{1, Status(409)}}})
	s.FailNext(Fault{}, Status(500), Status(503))
	s.FailAsset(AssetID(1), Repeat(2, Status(404))...)
	get := func(token string, n int) int {
		return askAs(t, s, token, http.MethodGet, "/assets/"+AssetID(n), "").status
	}
	require.Equal(t, 401, get("wrong", 0), "takes no fault")
	require.Equal(t, 200, get(testToken, 0), "a pass")
	require.Equal(t, 404, get(testToken, 1), "the asset's own come first")
	require.Equal(t, 500, get(testToken, 0))
	require.Equal(t, 404, get(testToken, 1))
	require.Equal(t, 503, get(testToken, 1))
	require.Equal(t, 409, get(testToken, 1), "then the chances")
	s.SetChances()
	require.Equal(t, 429, get(testToken, 1))
	s.SetLimit(0, 0)
	require.Equal(t, 200, get(testToken, 1))
	log := s.Log()
	require.Equal(t, "answer 500", log[3].Fault)
	require.Empty(t, log[1].Fault)
}

// TestLatencyOutlivesItsClient: what was delayed inside the API lands after the client
// gave it up. The log has the call ended at the client's going.
func TestLatencyOutlivesItsClient(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Assets: 1, Latency: time.Second, Jitter: time.Second})
		s.FailNext(Delay(time.Minute))
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodPatch, "/assets/"+AssetID(0), strings.NewReader(`{"displayName":"late"}`))
		r.Header.Set("Authorization", "Bearer "+testToken)
		r.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(httptest.NewRecorder(), r)

		call := s.Log()[0]
		require.Equal(t, began, call.ArrivedAt)
		require.Equal(t, 30*time.Second, call.AnsweredAt.Sub(began))
		require.Zero(t, call.Status)
		require.True(t, call.Applied)
		require.Equal(t, "late", s.Name(AssetID(0), ""))
		require.GreaterOrEqual(t, time.Since(began), 61*time.Second)
		require.Less(t, time.Since(began), 62*time.Second)
	})
}

func TestCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()

	for _, fault := range []Fault{Hang(), Delay(time.Hour), SlowBody(time.Hour), SlowHeaders(time.Hour)} {
		s, err := Start(Config{Assets: 1})
		require.NoError(t, err)
		s.FailNext(fault)
		done := make(chan error, 1)
		go func() { done <- fetch(t, s.URL()+"/assets/"+AssetID(0)) }()
		require.NoError(t, s.WaitCalls(t.Context(), 1))
		s.Close()
		s.Close()
		require.Error(t, <-done, fault.Name)
	}
}

// fetch reads an answer to its end.
func fetch(t *testing.T, url string) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+testToken)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func TestHugeBodyIsJSON(t *testing.T) {
	t.Parallel()

	s := New(Config{Assets: 1})
	s.FailNext(HugeBody(1), GzipBomb(1))
	require.Len(t, ask(t, s, http.MethodGet, "/assets/"+AssetID(0), "").body, 1<<20)
	bomb := ask(t, s, http.MethodGet, "/assets/"+AssetID(0), "")
	require.Less(t, len(bomb.body), 2<<10)
	require.True(t, bytes.HasPrefix([]byte(bomb.body), []byte{0x1f, 0x8b}))
}
