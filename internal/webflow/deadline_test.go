package webflow_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// TestDeadlineIsForTheWholeCall: an answer that sends one byte a second never pauses for
// long, and must still end at the deadline. It runs in a bubble's time.
func TestDeadlineIsForTheWholeCall(t *testing.T) {
	t.Parallel()

	answer := "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
	tests := []struct {
		name   string
		ready  string // sent at once
		status int
	}{
		{"slow headers", "", 0},
		{"slow body", answer, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var api sync.WaitGroup
				defer api.Wait() // time ends with this function
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					ours, theirs := net.Pipe()
					api.Go(func() { drip(theirs, tt.ready) })
					return ours, nil
				}}
				client := newClient(t, webflow.Config{BaseURL: "http://localhost", Transport: transport, Timeout: 30 * time.Second})
				began := time.Now()
				_, err := client.UpdateAsset(t.Context(), webflow.UpdateAssetParams{AssetID: standin.AssetID(0), DisplayName: ptr("n")})
				e := asError(t, err)
				require.Equal(t, 30*time.Second, time.Since(began))
				require.Equal(t, 30*time.Second, e.Meta.Duration)
				require.Equal(t, began, e.Meta.SentAt)
				require.Equal(t, webflow.KindUnknown, e.Kind)
				require.Equal(t, tt.status, e.Meta.Status)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, "no answer within the call's time", e.Message)
			})
		})
	}
}

// drip reads a request and sends ready, and then a byte a second until the client closes.
func drip(conn net.Conn, ready string) {
	defer conn.Close() //nolint:errcheck // nobody is there
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	if _, err := io.WriteString(conn, ready); err != nil {
		return
	}
	for _, b := range []byte("HTTP/1.1 200 OK\r\nX-Long: " + string(make([]byte, 5000))) {
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		if _, err := conn.Write([]byte{b}); err != nil {
			return
		}
	}
}

// TestDeadlineBeforeSending: without a connection the call counts as not sent.
func TestDeadlineBeforeSending(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		client := newClient(t, webflow.Config{BaseURL: "http://localhost", Transport: transport})
		_, err := client.GetSite(t.Context(), standin.SiteID)
		e := asError(t, err)
		require.Equal(t, webflow.KindNotSent, e.Kind)
		require.Equal(t, patience, e.Meta.Duration)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
