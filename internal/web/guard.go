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
		http.Error(w, "refused: this request came from another web page", http.StatusForbidden)
	}))
	next = crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setHeaders(w.Header(), r.URL.Path)
		if !s.knownHost(r.Host) {
			http.Error(w, "this host name is not allowed; relabel serve --allow-host NAME allows it", http.StatusMisdirectedRequest)
			return
		}
		if !storable(r.URL.Path) || !storableForm(r.URL.Query()) {
			http.Error(w, notStorable, http.StatusBadRequest)
			return
		}
		if r.URL.Path != uploadPath { // upload sets its own limit
			if r.ContentLength > maxBody {
				http.Error(w, "this request is too large", http.StatusRequestEntityTooLarge)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
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

func setHeaders(h http.Header, path string) {
	policy := pagePolicy
	if strings.HasPrefix(path, riverPrefix+"/") {
		policy = riverPolicy
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
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return name == "localhost" || slices.ContainsFunc(s.cfg.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// client returns the address that a request came from.
func (s *Server) client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if !s.cfg.BehindProxy {
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

// isJSON reports whether the body is JSON, which no form of another web page can
// send.
func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
