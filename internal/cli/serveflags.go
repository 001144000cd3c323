package cli

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const (
	defaultMaxUpload = 200 // MB: about 3,000,000 rows

	// minPassword is in letters: with the back-off it takes years to guess.
	minPassword = 8
)

// webFlags are the options of commands that run the dashboard.
type webFlags struct {
	listen           string // empty: no dashboard
	passwordFile     string
	readOnlyFile     string
	tlsCert, tlsKey  string
	behindProxy      bool
	hosts            []string
	maxUpload        int // MB
	password, lookPW string
}

func (f *webFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password of the dashboard, instead of links that log in once")
	fs.StringVar(&f.readOnlyFile, "read-only-password-file", "", "`FILE` with a password for who may look and not change")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "`FILE` with the certificate, to speak https")
	fs.StringVar(&f.tlsKey, "tls-key", "", "`FILE` with its key")
	fs.BoolVar(&f.behindProxy, "behind-proxy", false, "a proxy of yours stands before it, speaks https and sets X-Forwarded-For")
	fs.StringSliceVar(&f.hosts, "allow-host", nil, "a `NAME` that the dashboard goes by; IP addresses and localhost always do")
	fs.IntVar(&f.maxUpload, "max-upload", defaultMaxUpload, "the largest CSV that it takes, in `MB`")
}

// registerBeside is register for a command that does something else in the first
// place.
func (f *webFlags) registerBeside(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.listen, "serve", "", "run the dashboard too, on this `ADDRESS` and port; see relabel serve --help")
	f.register(cmd)
}

// checkBeside is check where there may be no dashboard.
func (f *webFlags) checkBeside() error {
	if f.listen != "" {
		return f.check()
	}
	if f.passwordFile+f.readOnlyFile+f.tlsCert+f.tlsKey != "" || f.behindProxy || len(f.hosts) > 0 {
		return usageError("these are options of the dashboard: say with --serve where it answers")
	}
	return nil
}

// check refuses what would let strangers in.
func (f *webFlags) check() error {
	host, _, err := net.SplitHostPort(f.listen)
	switch {
	case err != nil:
		return usageError("%q is not an address to answer on: write it as 127.0.0.1:8080", f.listen)
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usageError("--tls-cert and --tls-key go together")
	case f.readOnlyFile != "" && f.passwordFile == "":
		return usageError("--read-only-password-file needs --password-file beside it")
	case f.maxUpload < 1:
		return usageError("--max-upload is 1 MB or more, not %d", f.maxUpload)
	}
	if !isLoopback(host) && (f.passwordFile == "" || f.tlsCert == "" && !f.behindProxy) {
		return usageError("%s can be reached from other machines: that takes --password-file, and --tls-cert with --tls-key or --behind-proxy", f.listen)
	}
	if f.password, err = readPassword(f.passwordFile); err == nil {
		f.lookPW, err = readPassword(f.readOnlyFile)
	}
	if err == nil && f.password != "" && f.password == f.lookPW {
		err = usageError("the two passwords are the same: nobody would get in as reader")
	}
	return err
}

// isLoopback tells an address that only this machine can reach. No name but
// localhost counts: who resolves it says where it leads.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the password can't be read: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if len([]rune(password)) < minPassword {
		return "", fmt.Errorf("the password in %s is shorter than %d letters: choose a longer one", path, minPassword)
	}
	return password, nil
}
