package web

import (
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxBody bounds forms and River UI's lists of ids. Uploads have their own limit.
	maxBody = 256 << 10

	// pagePolicy forbids content from other sites and inline scripts and styles.
	pagePolicy = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

	// riverPolicy also allows what River UI needs: images in its style sheet, and
	// styles set by scripts.
	riverPolicy = pagePolicy + "; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
)

// guard checks every request before any handler, River UI's included: origin, host
// name and size.
func (s *Server) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.cfg.Logger.Warn("refused a request that another web page made", "from", s.client(r), "path", r.URL.Path)
		refuse(w, r, "refused: this request came from another web page", http.StatusForbidden)
	}))
	next = crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.setHeaders(w.Header(), r)
		if text, status := s.refusal(r); status != 0 {
			refuse(w, r, text, status)
			return
		}
		if r.URL.Path != uploadPath && !isAPI(r) { // they set their own limits
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// refusal says why a request is refused, or returns status 0.
func (s *Server) refusal(r *http.Request) (text string, status int) {
	switch {
	case !s.knownHost(r.Host):
		return "this host name is not allowed; relabel serve --allow-host NAME allows it", http.StatusMisdirectedRequest
	case s.outside(r) != "":
		return s.outside(r), http.StatusForbidden
	case !storable(r.URL.Path) || !storableForm(r.URL.Query()):
		return notStorable, http.StatusBadRequest
	case r.URL.Path == uploadPath, isAPI(r):
		return "", 0
	case r.ContentLength < 0: // Transfer-Encoding, which no browser uses for a form
		return "a request must give its length (Content-Length)", http.StatusLengthRequired
	case r.ContentLength > maxBody:
		return "this request is too large", http.StatusRequestEntityTooLarge
	}
	return "", 0
}

// notStorable answers a request with a text that PostgreSQL refuses.
const notStorable = "refused: this request holds a NUL character or invalid UTF-8, which can't be stored or searched for"

// storable reports whether PostgreSQL accepts a text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func storableForm(form url.Values) bool {
	for name, values := range form {
		if !storable(name) || slices.ContainsFunc(values, func(v string) bool { return !storable(v) }) {
			return false
		}
	}
	return true
}

func (s *Server) setHeaders(h http.Header, r *http.Request) {
	policy := pagePolicy
	if strings.HasPrefix(r.URL.Path, riverPrefix+"/") {
		policy = riverPolicy
	}
	if name := hostName(r.Host); s.cfg.Secure && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		h.Set("Strict-Transport-Security", "max-age=31536000") // a year; on localhost it would reach other programs' ports
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// knownHost refuses web pages whose own name resolves to our address (DNS
// rebinding). They always use a name, so an IP address is safe.
func (s *Server) knownHost(host string) bool {
	name := hostName(host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return name == "localhost" || slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// client returns the address that a request came from.
func (s *Server) client(r *http.Request) string {
	host := peer(r)
	if !s.cfg.BehindProxy || !s.isProxy(host) {
		return host
	}
	// Our proxy added the last address; the client may have forged the others.
	if all := r.Header.Values("X-Forwarded-For"); len(all) > 0 {
		list := strings.Split(all[len(all)-1], ",")
		if addr, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			return addr.String()
		}
	}
	return host
}

// isProxy reports whether an address is our proxy's. Without a list, it is any on this
// machine or in a private network.
func (s *Server) isProxy(host string) bool {
	if len(s.cfg.Proxies) > 0 {
		return within(s.cfg.Proxies, host)
	}
	addr, err := netip.ParseAddr(host)
	addr = addr.Unmap().WithZone("")
	return err == nil && (addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast())
}

// isJSON reports whether the body is JSON, which no form of another web page can
// send.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
