package notice

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// letter is a mail as the server has received it.
type letter struct {
	User, From string
	To         []string
	TLS        bool
	Data       string
}

// serverEnv makes this program a mail server instead of the tests. It holds its kind.
const serverEnv = "RELABEL_TEST_MAIL_SERVER"

// mailServer is a mail server in a process of its own. It accepts the password geheim.
type mailServer struct {
	port  string
	out   *bufio.Scanner
	roots *x509.CertPool
}

// startMailServer starts a server: tls, plain (with STARTTLS) or bare (without).
func startMailServer(t *testing.T, kind string) *mailServer {
	t.Helper()
	cert, key := certificate(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), serverEnv+"="+kind, "CERT="+cert, "KEY="+key)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s := &mailServer{out: bufio.NewScanner(out), roots: x509.NewCertPool()}
	require.True(t, s.out.Scan(), "the server has started")
	s.port = s.out.Text()
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.True(t, s.roots.AppendCertsFromPEM(text))
	return s
}

// next waits for a mail.
func (s *mailServer) next(t *testing.T) (l letter) {
	t.Helper()
	require.True(t, s.out.Scan(), "a mail has arrived")
	require.NoError(t, json.Unmarshal(s.out.Bytes(), &l))
	return l
}

// certificate makes a certificate for localhost that signs itself.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return certFile, keyFile
}

func TestMain(m *testing.M) {
	if kind := os.Getenv(serverEnv); kind != "" {
		fmt.Fprintln(os.Stderr, serveMail(kind))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serveMail writes the port, and then each mail on a line.
func serveMail(kind string) error {
	cert, err := tls.LoadX509KeyPair(os.Getenv("CERT"), os.Getenv("KEY"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &mailSession{conn: c}, nil }))
	server.Domain = "localhost"
	secure := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch kind {
	case "tls":
		listener = tls.NewListener(listener, secure)
	case "plain":
		server.TLSConfig = secure
	case "bare":
		server.AllowInsecureAuth = true
	}
	fmt.Println(port)
	return server.Serve(listener)
}

type mailSession struct {
	conn *smtp.Conn
	letter
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "geheim" {
			return errors.New("wrong password")
		}
		s.User = user
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.From = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.To = append(s.To, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.letter.Data = string(text)
	_, s.TLS = s.conn.TLSConnectionState()
	return json.NewEncoder(os.Stdout).Encode(s.letter)
}

func (s *mailSession) Reset() { s.To = nil }

func (s *mailSession) Logout() error { return nil }

// silentServer accepts connections, and says nothing.
func silentServer(t *testing.T) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}
