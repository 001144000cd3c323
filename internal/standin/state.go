package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"relabel/internal/text"
)

// The site and the locales of a Server that is not told otherwise.
const (
	SiteID        = "650000000000000000000001"
	PrimaryLocale = "651000000000000000000001"
	FrenchLocale  = "651000000000000000000002"
	GermanLocale  = "651000000000000000000003"
)

// Locale is one language of the site.
type Locale struct {
	ID           string `json:"id"`
	CMSLocaleID  string `json:"cmsLocaleId"`
	Enabled      bool   `json:"enabled"`
	DisplayName  string `json:"displayName"`
	Subdirectory string `json:"subdirectory"`
	Tag          string `json:"tag"`
}

// Locales are English, French and German.
func Locales() []Locale {
	return []Locale{
		{PrimaryLocale, "652000000000000000000001", true, "English", "", "en"},
		{FrenchLocale, "652000000000000000000002", true, "French (France)", "fr", "fr-FR"},
		{GermanLocale, "652000000000000000000003", true, "German (Germany)", "de", "de-DE"},
	}
}

// AssetID is the id of the n-th asset that AddAssets makes, counted from 0.
func AssetID(n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "relabel stand-in asset %d", n))
	return hex.EncodeToString(sum[:12])
}

// state is what the site holds.
type state struct {
	siteID  string
	locales []Locale
	assets  map[string]*asset
	order   []string // of the list
	made    int      // by AddAssets
	folders []*folder
}

type asset struct {
	id, fileName string
	folder       string // its id; empty at the root
	created      time.Time
	updated      time.Time
	main         values
	locales      map[string]values // of secondary locales; made when needed
}

// values are what can be changed, in one locale. Nil is "as in the primary locale".
type values struct{ name, alt *string }

func newState(cfg Config) state {
	st := state{siteID: cfg.SiteID, locales: cfg.Locales, assets: map[string]*asset{}}
	if st.siteID == "" {
		st.siteID = SiteID
	}
	if st.locales == nil {
		st.locales = Locales()
	}
	return st
}

func (st *state) add(id, fileName string, now time.Time) *asset {
	a := &asset{id: id, fileName: fileName, created: now, updated: now, main: values{name: &fileName}}
	st.assets[id] = a
	st.order = append(st.order, id)
	return a
}

// get is the values of a in a locale.
func (a *asset) get(locale string) values {
	v := a.locales[locale]
	if v.name == nil {
		v.name = a.main.name
	}
	if v.alt == nil {
		v.alt = a.main.alt
	}
	return v
}

// set changes what is not nil.
func (a *asset) set(locale string, change values, now time.Time) {
	v := a.main
	if locale != "" {
		v = a.locales[locale]
	}
	if change.name != nil {
		v.name = change.name
	}
	if change.alt != nil {
		v.alt = change.alt
	}
	a.updated = now
	if locale == "" {
		a.main = v
		return
	}
	if a.locales == nil {
		a.locales = map[string]values{}
	}
	a.locales[locale] = v
}

// locale is the key of a locale: empty for the primary one. Any is accepted, and only
// kept apart, when unknown things are made.
func (s *Server) locale(id string) (key string, ok bool) {
	if id == "" || len(s.state.locales) > 0 && s.state.locales[0].ID == id {
		return "", true
	}
	known := slices.ContainsFunc(s.state.locales, func(l Locale) bool { return l.ID == id })
	return id, known || s.createUnknown
}

// asset finds an asset, or makes it when unknown ones are made. The caller holds the lock.
func (s *Server) asset(id string) *asset {
	a := s.state.assets[id]
	if a == nil && s.createUnknown {
		a = s.state.add(id, id+".jpg", s.now())
	}
	return a
}

// AddAssets makes n more assets, and gives their ids: AssetID(0), AssetID(1) and so on.
func (s *Server) AddAssets(n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = AssetID(s.state.made)
		s.state.made++
		s.state.add(ids[i], fmt.Sprintf("asset-%06d.jpg", s.state.made), s.now())
	}
	return ids
}

// AddAsset makes one asset with an id and a file name of the caller's choice.
func (s *Server) AddAsset(id, fileName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.add(id, fileName, s.now())
}

// RemoveAsset takes an asset away, as somebody might by hand. It is 404 from then on.
func (s *Server) RemoveAsset(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state.assets, id)
	s.state.order = slices.DeleteFunc(s.state.order, func(o string) bool { return o == id })
}

// SetName renames an asset by hand, in a locale ("" for the primary one). It reports
// whether the asset is there.
func (s *Server) SetName(id, localeID, name string) bool {
	return s.set(id, localeID, values{name: &name})
}

// SetAltText changes an alt text by hand.
func (s *Server) SetAltText(id, localeID, text string) bool {
	return s.set(id, localeID, values{alt: &text})
}

func (s *Server) set(id, localeID string, v values) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.state.assets[id]
	key, ok := s.locale(localeID)
	if a == nil || !ok {
		return false
	}
	a.set(key, v, s.now())
	return true
}

// Name is an asset's name in a locale, empty for an asset that is not there.
func (s *Server) Name(id, localeID string) string { return text.Deref(s.get(id, localeID).name) }

// AltText is an asset's alt text in a locale; nil: it has none.
func (s *Server) AltText(id, localeID string) *string { return s.get(id, localeID).alt }

func (s *Server) get(id, localeID string) values {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, _ := s.locale(localeID)
	if a := s.state.assets[id]; a != nil {
		return a.get(key)
	}
	return values{}
}
