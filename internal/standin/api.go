package standin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxPage is the most assets on a page of List Assets.
const maxPage = 100

// request is what was asked, read once.
type request struct {
	method string
	parts  []string // of the path, without the version
	query  url.Values
	body   []byte
	change change
}

// change is the body of Update Asset.
type change struct {
	LocaleID    string  `json:"localeId"`
	DisplayName *string `json:"displayName"`
	AltText     *string `json:"altText"`
	err         error
}

func parse(r *http.Request) request {
	path := strings.TrimPrefix(strings.Trim(r.URL.Path, "/"), "v2/")
	return request{method: r.Method, parts: strings.Split(path, "/"), query: r.URL.Query()}
}

// read adds the body. A wrong one is answered with 400 only after the checks that come
// before it.
func (q *request) read(body []byte) {
	q.body = body
	if q.method == http.MethodPatch {
		q.change.err = json.Unmarshal(body, &q.change)
	}
}

// assetID is empty for a call that is not about one asset.
func (q *request) assetID() string {
	if len(q.parts) == 2 && q.parts[0] == "assets" {
		return q.parts[1]
	}
	return ""
}

// serve does what was asked. It reports whether a change was made. The caller holds
// the lock.
func (s *Server) serve(q *request, r *http.Request) (answer reply, applied bool) {
	p := q.parts
	switch {
	case q.assetID() != "" && q.method == http.MethodPatch:
		return s.updateAsset(q, r)
	case q.assetID() != "" && q.method == http.MethodGet:
		return s.getAsset(q), false
	case len(p) == 3 && p[0] == "sites" && p[2] == "assets" && q.method == http.MethodGet:
		return s.listAssets(q), false
	case len(p) == 3 && p[0] == "sites" && p[2] == "asset_folders" && q.method == http.MethodGet:
		return s.listFolders(q), false
	case len(p) == 2 && p[0] == "sites" && q.method == http.MethodGet:
		return s.getSite(q), false
	}
	return refuse(http.StatusNotFound, "no such route"), false
}

func (s *Server) updateAsset(q *request, r *http.Request) (answer reply, applied bool) {
	locale, problem := s.updateLocale(q)
	switch {
	case q.change.err != nil:
		return refuse(http.StatusBadRequest, "the body is not the JSON object it should be"), false
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return refuse(http.StatusBadRequest, detail{"Content-Type", "must be application/json"}), false
	case problem != nil:
		return refuse(http.StatusBadRequest, *problem), false
	}
	a, bad := s.find(q.assetID())
	if a == nil {
		return bad, false
	}
	name := q.change.DisplayName
	if name != nil && s.normalise != nil {
		n := s.normalise(*name)
		name = &n
	}
	a.set(locale, values{name: name, alt: q.change.AltText}, s.now())
	return jsonReply(s.assetBody(a, locale)), true
}

// updateLocale takes the locale from the query or the body. Two different ones are an
// error here, for that is never meant.
func (s *Server) updateLocale(q *request) (key string, problem *detail) {
	id := q.query.Get("localeId")
	if q.change.LocaleID != "" {
		if id != "" && id != q.change.LocaleID {
			return "", &detail{"localeId", "is another one in the body than in the query"}
		}
		id = q.change.LocaleID
	}
	return s.checkLocale(id)
}

func (s *Server) checkLocale(id string) (key string, problem *detail) {
	key, ok := s.locale(id)
	if !ok {
		return "", &detail{"localeId", "is not a locale of this site"}
	}
	return key, nil
}

// find gives the asset, or the answer that it is not there.
func (s *Server) find(id string) (*asset, reply) {
	if !isObjectID(id) {
		return nil, refuse(http.StatusBadRequest, detail{"asset_id", "must be an objectid"})
	}
	if a := s.asset(id); a != nil {
		return a, reply{}
	}
	return nil, refuse(http.StatusNotFound)
}

func isObjectID(s string) bool {
	return len(s) == 24 && strings.Trim(s, "0123456789abcdef") == ""
}

func (s *Server) getAsset(q *request) reply {
	locale, problem := s.checkLocale(q.query.Get("localeId"))
	if problem != nil {
		return refuse(http.StatusBadRequest, *problem)
	}
	a, bad := s.find(q.assetID())
	if a == nil {
		return bad
	}
	return jsonReply(s.assetBody(a, locale))
}

func (s *Server) listAssets(q *request) reply {
	locale, problem := s.checkLocale(q.query.Get("localeId"))
	page, bad := s.page(q)
	switch {
	case bad != nil:
		return *bad
	case problem != nil:
		return refuse(http.StatusBadRequest, *problem)
	}
	order := s.state.order
	if folder := q.query.Get("folderId"); folder != "" {
		if s.state.folder(folder) == nil {
			return refuse(http.StatusBadRequest, detail{"folderId", "is not a folder of this site"})
		}
		order = s.state.below(folder)
	}
	body := pageBody{Assets: []listedBody{}}
	for _, id := range page.of(order) {
		a := s.state.assets[id]
		body.Assets = append(body.Assets, listedBody{s.assetBody(a, locale), null(a.folder)})
	}
	body.Pagination = page
	return jsonReply(body)
}

// page reads which page of a list is wanted, or gives the answer to a wrong request.
func (s *Server) page(q *request) (p pagination, bad *reply) {
	var okLimit, okOffset bool
	p.Limit, okLimit = number(q.query.Get("limit"), maxPage)
	p.Offset, okOffset = number(q.query.Get("offset"), 0)
	var answer reply
	switch {
	case !s.isSite(q.parts[1]):
		answer = refuse(http.StatusNotFound)
	case !okLimit || p.Limit < 1 || p.Limit > maxPage || !okOffset || p.Offset < 0:
		answer = refuse(http.StatusBadRequest, detail{"limit", "must be 1 to 100, and offset 0 or more"})
	default:
		return p, nil
	}
	return p, &answer
}

// of cuts the page out of a list, and notes the list's length.
func (p *pagination) of(list []string) []string {
	p.Total = len(list)
	return list[min(p.Offset, p.Total):min(p.Offset+p.Limit, p.Total)]
}

// isSite takes any site for its own when unknown things are made.
func (s *Server) isSite(id string) bool { return id == s.state.siteID || s.createUnknown }

func number(s string, otherwise int) (int, bool) {
	if s == "" {
		return otherwise, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func (s *Server) getSite(q *request) reply {
	if !s.isSite(q.parts[1]) {
		return refuse(http.StatusNotFound)
	}
	site := siteBody{ID: q.parts[1], DisplayName: "Stand-in site", ShortName: "stand-in", TimeZone: "Etc/UTC"}
	site.Locales.Secondary = []Locale{}
	if len(s.state.locales) > 0 {
		site.Locales.Primary = &s.state.locales[0]
		site.Locales.Secondary = s.state.locales[1:]
	}
	return jsonReply(site)
}
