package outward

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIsPublic(t *testing.T) {
	t.Parallel()
	for _, private := range []string{
		"127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::", "224.0.0.1",
		"255.255.255.255", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::",
		"198.18.0.1", "192.0.2.1", "240.0.0.1", "2001:db8::1", "0.1.2.3", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1",
		"fe80::1%eth0", "fc00::1%1", "2606:4700::1111%eth0", "::1%lo", "::ffff:10.0.0.1%eth0", "::ffff:8.8.8.8%eth0", "2002:808:808::1", "2001::1", "fec0::1",
		"::127.0.0.1", "::8.8.8.8", "3fff::1", "3fff:fff::1", "5f00::1", "100::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
		"64:ff9b::808:808%eth0", "2620:4f:8000::1", "4000::1",
	} {
		require.False(t, isPublic(netip.MustParseAddr(private)), private)
	}
	for _, public := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00::1", "3fff:1000::1", "2001:200::1"} {
		require.True(t, isPublic(netip.MustParseAddr(public)), public)
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"http://example.com/x": "https://, not http://; to allow http and private networks, set ALLOW=1", "ftp://example.com/x": "https://", "https://u:p@example.com/": "password",
		"https://u@example.com/": "password", "example.com/x": "no URL", "https://": "no URL", "file:///etc/passwd": "no URL", "::": "no URL",
		"https://example.com:70000/": "the port 70000 is not a number from 1 to 65535", "https://example.com:0/": "the port 0",
	} {
		_, err := ParseURL(text, false, "ALLOW")
		require.ErrorContains(t, err, says, text)
	}
	_, err := ParseURL("https://example.com/x?key=1", false, "ALLOW")
	require.NoError(t, err)
	_, err = ParseURL("http://10.0.0.1/x", true, "ALLOW")
	require.NoError(t, err)
	require.Equal(t, "https://example.com/a.csv", ShownURL("https://example.com/a.csv?key=secret#x"))
	require.Equal(t, "https://hooks.slack.com/…", ShownHost("https://hooks.slack.com/services/secret"))
}
