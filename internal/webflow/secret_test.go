package webflow_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// TestTokenEchoed: if an API or a proxy repeats the request in its answer, the token must
// not get into an error.
func TestTokenEchoed(t *testing.T) {
	t.Parallel()

	quoted := func(format string) standin.Fault {
		return standin.Answer(400, nil, fmt.Sprintf(format, testToken))
	}
	b := setup(t, standin.Config{}, webflow.Config{})
	b.api.FailNext(
		quoted(`{"code":"%[1]s","message":"Bearer %[1]s","details":["%[1]s",{"x":"%[1]s"}]}`),
		quoted(`<title>Authorization: Bearer %s</title>`),
		quoted("Authorization: Bearer %s\r\n"),
		standin.Answer(400, nil, testToken[:20]+"\x00"+testToken[20:]),
		standin.Answer(400, nil, fmt.Sprintf(`%*s%s`, 64<<10-20, "", testToken)), // cut by the body's limit
		standin.Answer(200, nil, "<p>"+testToken),
		standin.Answer(200, nil, testToken),
		standin.Redirect(302, "https://example.com/"+testToken),
		standin.OtherID(testToken),
	)
	for range 9 {
		_, err := b.rename(t, "n")
		e := asError(t, err)
		whole, _ := json.Marshal(e)
		for _, s := range []string{e.Error(), e.Code, e.Message, fmt.Sprintf("%#v", *e), string(whole)} {
			require.NotContains(t, s, testToken)
			require.NotContains(t, s, testToken[:20])
		}
	}
}

// TestTokenEchoedOutsideHTTP: net/http quotes an answer that it cannot parse.
func TestTokenEchoedOutsideHTTP(t *testing.T) {
	t.Parallel()

	for _, line := range []string{testToken, "HTTP/1.1 " + testToken, "HTTP/1.1 200 OK\r\n" + testToken, "HTTP/1.1 200 OK\r\nContent-Length: " + testToken} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, line+"\r\n\r\n")
			_ = conn.Close()
		})
		client := newClient(t, webflow.Config{BaseURL: server.URL})
		_, err := client.GetSite(t.Context(), standin.SiteID)
		e := asError(t, err)
		require.Equal(t, webflow.KindUnknown, e.Kind)
		requirePrintable(t, e)
		require.NotContains(t, fmt.Sprintf("%#v", *e), testToken)
	}
}
