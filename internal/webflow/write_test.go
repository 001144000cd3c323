package webflow_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// expiringContext is a caller's context whose end only Err reports. So it is after a stopped
// process has just woken, before its timers fire.
type expiringContext struct {
	context.Context

	cancel context.CancelFunc
	passed func() bool
}

func (c expiringContext) Err() error {
	if c.passed() {
		c.cancel()
	}
	return c.Context.Err()
}

func expiresWhen(t *testing.T, passed func() bool) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return expiringContext{ctx, cancel, passed}
}

// tries is a call's context that counts how often net/http takes a connection. It calls a
// hook at the last check before a write, when the request is buffered.
type tries struct {
	conns, reused int
	atWrite       func()
}

func (p *tries) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			p.conns++
			if i.Reused {
				p.reused++
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { p.atWrite() },
	})
}

// TestNoWriteAfterTheRight: the grant ends when net/http has the connection and the
// request is in its buffer. Once a stopped worker woke there and sent an old name.
func TestNoWriteAfterTheRight(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, kept connection %v", scheme(secure), kept), func(t *testing.T) {
				t.Parallel()
				api, client := startAPI(t, secure)
				if kept {
					require.NoError(t, nameIt(t.Context(), client, "first"))
				}
				before := api.Calls()

				var passed atomic.Bool
				way := &tries{atWrite: func() { passed.Store(true) }}
				err := nameIt(way.watch(expiresWhen(t, passed.Load)), client, "old")
				e := asError(t, err)
				require.Equal(t, webflow.KindNotSent, e.Kind, "%v", e)
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, "stopped by us", e.Message)
				require.Equal(t, 1, way.conns, "no other connection is tried")
				require.Equal(t, kept, way.reused == 1)

				require.NoError(t, nameIt(t.Context(), client, "new"))
				require.Equal(t, before+1, api.Calls(), "nothing of the old call arrived")
			})
		}
	}
}

// A transport that is not the client's own has no connection that checks each write: the right to call is checked when
// it has its connection, new or kept.
func TestNoWriteAfterTheRightByAnotherTransport(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int64
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		arrived.Add(1)
		fmt.Fprintf(w, `{"id":%q,"displayName":"n"}`, standin.AssetID(0))
	})
	client := newClient(t, webflow.Config{BaseURL: server.URL, Transport: server.Client().Transport})
	over := func() context.Context { return expiresWhen(t, func() bool { return true }) }
	require.Error(t, nameIt(over(), client, "a new connection"))
	require.NoError(t, nameIt(t.Context(), client, "n"))
	require.Error(t, nameIt(over(), client, "a kept one"))
	require.EqualValues(t, 1, arrived.Load())
}

func startAPI(t *testing.T, secure bool) (*standin.Server, *webflow.Client) {
	t.Helper()
	api := standin.New(standin.Config{Assets: 1})
	t.Cleanup(api.Close)
	if secure {
		server := serveTLS(t, api.ServeHTTP, nil)
		return api, newClient(t, webflow.Config{BaseURL: server.URL, Transport: trusting(server)})
	}
	return api, newClient(t, webflow.Config{BaseURL: serve(t, api.ServeHTTP).URL})
}

// TestNoSecondWriteAfterTheRight: a large request needs more than one write. If the
// second one is refused, the API gets half a request and ignores it, but the client
// cannot be sure of that.
func TestNoSecondWriteAfterTheRight(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(scheme(secure), func(t *testing.T) {
			t.Parallel()
			read := make(chan error, 1)
			handler := func(_ http.ResponseWriter, r *http.Request) {
				_, err := io.Copy(io.Discard, r.Body)
				read <- err
			}
			var server *httptest.Server
			cfg := webflow.Config{}
			if secure {
				server = serveTLS(t, handler, nil)
				cfg.Transport = trusting(server)
			} else {
				server = serve(t, handler)
			}
			cfg.BaseURL = server.URL
			var looks atomic.Int64
			ctx := expiresWhen(t, func() bool { return looks.Add(1) > 1 })
			err := nameIt(ctx, newClient(t, cfg), strings.Repeat("long ", 20_000))
			require.Equal(t, webflow.KindUnknown, asError(t, err).Kind, "%v", err)
			require.ErrorIs(t, err, context.Canceled)
			require.Error(t, <-read, "the request never became whole")
		})
	}
}

// TestHowConnectionsEnd: a call that is given up resets its connection, so that the
// kernel stops sending. After an answered call the connection is closed normally.
func TestHowConnectionsEnd(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		end    error
	}{
		"answered":                 {"HTTP/1.1 200 OK\r\nContent-Length: 51\r\n\r\n", io.EOF},
		"answered without a body":  {"HTTP/1.1 204 No Content\r\n\r\n", io.EOF},
		"given up":                 {"", syscall.ECONNRESET},
		"given up in the answer":   {"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", syscall.ECONNRESET},
		"given up over its length": {"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n", syscall.ECONNRESET},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { _ = listener.Close() })
			asked, ended := make(chan struct{}), make(chan error, 1)
			go func() { ended <- answerOnce(listener, tt.answer, asked) }()

			client := newClient(t, webflow.Config{BaseURL: "http://" + listener.Addr().String()})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			called := make(chan struct{})
			go func() {
				defer close(called)
				_ = nameIt(ctx, client, "n")
			}()
			<-asked
			if !errors.Is(tt.end, io.EOF) {
				cancel()
			}
			<-called
			client.CloseIdleConnections()
			require.ErrorIs(t, <-ended, tt.end)
		})
	}
}

// answerOnce reads a request, answers, and returns how the connection ended.
func answerOnce(listener net.Listener, answer string, asked chan<- struct{}) error {
	conn, err := listener.Accept()
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it has ended
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, req.Body)
	if strings.Contains(answer, "200 OK") {
		answer += `{"id":"` + standin.AssetID(0) + `","displayName":"n"}`
	}
	_, _ = io.WriteString(conn, answer)
	close(asked)
	_, err = conn.Read(make([]byte, 1))
	return err
}
