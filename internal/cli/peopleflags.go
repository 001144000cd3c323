package cli

import (
	"net/netip"

	"github.com/spf13/pflag"

	"relabel/internal/people"
	"relabel/internal/web"
)

// peopleFlags are the flags of the dashboard for people with names: a file of them, and
// a proxy that logs them in.
type peopleFlags struct {
	usersFile              string
	trustHeader, trustRole string
	trustFrom              []string

	users *people.File
	proxy *web.Proxy
}

func (f *peopleFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.usersFile, "users", "", "`FILE` of people with names, roles and passwords of their own; relabel user hash makes its lines. It is read again when it changes")
	fs.StringVar(&f.trustHeader, "trust-header", "", "the `HEADER` in which your proxy names the person whom it has logged in, such as X-Forwarded-User; needs --behind-proxy and --trust-from")
	fs.StringSliceVar(&f.trustFrom, "trust-from", nil, "an `ADDRESS` or network of that proxy (127.0.0.1); requests from elsewhere are refused")
	fs.StringVar(&f.trustRole, "trust-role", "", "the `ROLE` of people whom the proxy names and --users does not: look or change (default: they are refused)")
}

// given reports whether there is any of the flags.
func (f *peopleFlags) given() bool {
	return f.usersFile+f.trustHeader+f.trustRole != "" || len(f.trustFrom) > 0
}

// logIn reports whether people can log in by these flags.
func (f *peopleFlags) logIn() bool { return f.usersFile+f.trustHeader != "" }

// check refuses settings that would let anybody in, or nobody. serve has the flags that
// belong to them.
func (f *peopleFlags) check(serve *serveFlags) (err error) {
	if err = f.checkTrust(serve); err != nil {
		return err
	}
	if f.trustHeader != "" {
		f.proxy = &web.Proxy{Header: f.trustHeader, Role: web.Role(f.trustRole)}
		if f.proxy.From, err = parseNetworks("--trust-from", f.trustFrom); err != nil {
			return err
		}
		if err = checkTrusted(f.proxy.From); err != nil {
			return err
		}
	}
	if f.usersFile == "" {
		return nil
	}
	if f.users, err = people.Open(f.usersFile); err == nil && f.trustHeader == "" && !f.users.AnyPassword() {
		err = usageError("nobody in %s has a password, so nobody could log in: `relabel user hash NAME` makes a line with one", f.usersFile)
	}
	return err
}

func (f *peopleFlags) checkTrust(serve *serveFlags) error {
	switch {
	case f.trustHeader == "" && (f.trustRole != "" || len(f.trustFrom) > 0):
		return usageError("--trust-from and --trust-role need --trust-header too")
	case f.trustHeader == "":
		return nil
	case !serve.behindProxy || len(f.trustFrom) == 0:
		return usageError("--trust-header needs --behind-proxy, and --trust-from with the address of the proxy: else anybody could claim to be anybody")
	case serve.passwordFile != "":
		return usageError("--trust-header and --password-file exclude each other: with the header, the proxy logs people in")
	case f.usersFile == "" && f.trustRole == "":
		return usageError("--trust-header needs to know what people may do: --users FILE, or --trust-role look or change for all")
	}
	if err := web.CheckProxyHeader(f.trustHeader); err != nil {
		return usageError("--trust-header: %s", err)
	}
	if f.trustRole != "" {
		if err := people.CheckRole(people.Role(f.trustRole)); err != nil {
			return usageError("--trust-role: %s", err)
		}
	}
	return nil
}

// checkTrusted refuses a network that holds every address.
func checkTrusted(list []netip.Prefix) error {
	for _, p := range list {
		if p.Bits() == 0 {
			return usageError("--trust-from %s is every address, so anybody could claim to be anybody: name the proxy's", p)
		}
	}
	return nil
}
