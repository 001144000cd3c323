package outward

import "net/netip"

// specialPrefixes are the address blocks that hold no public server: all of IANA's
// "IPv4 Special-Purpose Address Registry" and "IPv6 Special-Purpose Address
// Registry" (RFC 6890, RFC 8190), and multicast (RFC 5771).
// Some of them are routed on the Internet, but serve DNS or relays, never a web
// hook or a CSV file.
func specialPrefixes() []string {
	return []string{
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // shared by a provider's customers
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, with the metadata services of clouds
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.31.196.0/24", // AS112
		"192.52.193.0/24", // AMT relays
		"192.88.99.0/24",  // 6to4 relays, deprecated
		"192.168.0.0/16",  // private
		"192.175.48.0/24", // AS112
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and broadcast

		// IPv6, as far as it is in 2000::/3: isPublic refuses the rest as a whole.
		"2001::/23",         // protocol assignments, Teredo among them
		"2001:db8::/32",     // documentation
		"2002::/16",         // 6to4, whose relays lead to any IPv4 address
		"2620:4f:8000::/48", // AS112
		"3fff::/20",         // documentation
	}
}

// isPublic reports whether an address can be that of a server on the public Internet. An
// address with a zone belongs to the local link, whatever its prefix says.
func isPublic(ip netip.Addr) bool {
	if ip.Zone() != "" {
		return false
	}
	ip = embedded4(ip.Unmap())
	// IANA has assigned public IPv6 addresses in 2000::/3 only. Outside are loopback, unique local, link-local,
	// site-local, IPv4-compatible, discard-only, local NAT64 and segment routing addresses, and multicast.
	if ip.Is6() && !netip.MustParsePrefix("2000::/3").Contains(ip) {
		return false
	}
	for _, special := range specialPrefixes() {
		if netip.MustParsePrefix(special).Contains(ip) {
			return false
		}
	}
	return ip.IsValid()
}

// embedded4 is the IPv4 address that a NAT64 gateway would connect to for this
// one (64:ff9b::/96, RFC 6052). Any other address is returned as it is.
func embedded4(ip netip.Addr) netip.Addr {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(ip) {
		return ip
	}
	b := ip.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}
