package cli

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"relabel/internal/people"
)

const defaultMaxUpload = 200 // MB: about 3,000,000 rows

// serveFlags are the flags of commands that run the dashboard.
type serveFlags struct {
	listen           string // empty: no dashboard
	passwordFile     string
	readOnlyFile     string
	tlsCert, tlsKey  string
	behindProxy      bool
	proxies          []string
	proxyNetworks    []netip.Prefix
	hosts            []string
	maxUpload        int // MB
	maxRows          int64
	password, lookPW string
	people           peopleFlags
}

func (f *serveFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password of the dashboard; it replaces the login links. A changed file ends the sessions of the old password")
	fs.StringVar(&f.readOnlyFile, "read-only-password-file", "", "`FILE` with a second password, for read-only access")
	f.people.register(fs)
	completeWords(cmd, "trust-role", []string{string(people.Look), string(people.Change)})
	fs.StringVar(&f.tlsCert, "tls-cert", "", "`FILE` with the certificate for https")
	fs.StringVar(&f.tlsKey, "tls-key", "", "`FILE` with the key of the certificate")
	fs.BoolVar(&f.behindProxy, "behind-proxy", false, "your own proxy serves it: the proxy speaks https and sets X-Forwarded-For")
	fs.StringSliceVar(&f.proxies, "proxy-address", nil, "an `ADDRESS` or network (10.0.0.0/8) of your proxy: X-Forwarded-For counts only from there. Default: this machine and private networks")
	fs.StringSliceVar(&f.hosts, "allow-host", nil, "a host `NAME` of the dashboard; IP addresses and localhost are always allowed")
	fs.IntVar(&f.maxUpload, "max-upload", defaultMaxUpload, "the largest CSV or Excel file that can be uploaded, in `MB`")
	fs.Int64Var(&f.maxRows, "max-rows", 0, "refuse a CSV or Excel file with more than `N` rows (default: no limit)")
}

// registerForWork adds the flags of a dashboard beside workers.
func (f *serveFlags) registerForWork(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.listen, "serve", "", "run the dashboard too, on this `ADDRESS` and port; see relabel serve --help")
	f.register(cmd)
}

// checkForWork is check, and no dashboard is fine too.
func (f *serveFlags) checkForWork() error {
	if f.listen != "" {
		return f.check()
	}
	if f.passwordFile+f.readOnlyFile+f.tlsCert+f.tlsKey != "" || f.behindProxy || len(f.hosts)+len(f.proxies) > 0 || f.people.given() {
		return usageError("these options are for the dashboard: --serve starts it")
	}
	return nil
}

// check refuses settings that would let strangers in.
func (f *serveFlags) check() error {
	host, _, err := net.SplitHostPort(f.listen)
	switch {
	case err != nil:
		return usageError("%q is not an address and port: write it like 127.0.0.1:8080", f.listen)
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return usageError("--tls-cert and --tls-key go together")
	case f.readOnlyFile != "" && f.passwordFile == "":
		return usageError("--read-only-password-file needs --password-file too")
	case len(f.proxies) > 0 && !f.behindProxy:
		return usageError("--proxy-address needs --behind-proxy too")
	case f.maxUpload < 1:
		return usageError("--max-upload is 1 MB or more, not %d", f.maxUpload)
	case f.maxRows < 0:
		return usageError("--max-rows is 1 or more, or 0 for no limit, not %d", f.maxRows)
	}
	if !isLoopback(host) && (f.passwordFile == "" && !f.people.logIn() || f.tlsCert == "" && !f.behindProxy) {
		return usageError("other machines can reach %s: that requires --password-file or --users, and --tls-cert with --tls-key or --behind-proxy", f.listen)
	}
	if f.proxyNetworks, err = parseNetworks("--proxy-address", f.proxies); err != nil {
		return err
	}
	if f.password, f.lookPW, err = f.readPasswords(); err != nil {
		return err
	}
	return f.people.check(f)
}

// xForwardedFor is where X-Forwarded-For counts from: the proxy that logs people in is the
// one that sets it.
func (f *serveFlags) xForwardedFor() []netip.Prefix {
	if len(f.proxyNetworks) == 0 && f.people.proxy != nil {
		return f.people.proxy.From
	}
	return f.proxyNetworks
}

// noLinks reports whether login links would be a way around people's names: other
// machines reach the dashboard, and people have another way in.
func (f *serveFlags) noLinks() bool {
	host, _, _ := net.SplitHostPort(f.listen)
	return f.people.proxy != nil || f.people.users != nil && (f.behindProxy || !isLoopback(host))
}

func parseNetworks(flag string, texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, usageError("%s: %q is not an address or a network, such as 10.0.0.7 or 10.0.0.0/8", flag, text)
		}
		list = append(list, p)
	}
	return list, nil
}

func (f *serveFlags) readPasswords() (change, look string, err error) {
	if change, err = readPassword(f.passwordFile); err == nil {
		look, err = readPassword(f.readOnlyFile)
	}
	if err == nil && change != "" && change == look {
		err = usageError("the two passwords are the same, so nobody could log in read-only: choose another one for --read-only-password-file")
	}
	return change, look, err
}

// isLoopback reports whether only this machine can reach the address. Of names only
// localhost counts, because any other may resolve to anything.
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
	if len([]rune(password)) < people.MinPassword {
		return "", fmt.Errorf("the password in %s is shorter than %d characters: choose a longer one", path, people.MinPassword)
	}
	return password, nil
}
