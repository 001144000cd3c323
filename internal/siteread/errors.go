package siteread

import (
	"errors"
	"fmt"

	"relabel/internal/webflow"
)

// ErrMayNotRead is returned when the token has no right to read assets.
var ErrMayNotRead = errors.New("the token may not read assets (403): give it the scope assets:read")

// NoSiteError is returned when the site's Webflow id is missing or wrong.
type NoSiteError struct {
	Site      string // relabel's name of it
	WebflowID string // the wrong one; empty: none is set
}

func (e *NoSiteError) Error() string {
	if e.WebflowID == "" {
		return fmt.Sprintf("the Webflow id of site %s is not set", e.Site)
	}
	return fmt.Sprintf("Webflow has no site with the id %s, or not for this token", e.WebflowID)
}

// LocalesError is returned when the site's locales could not be read.
type LocalesError struct {
	Site string
	Err  error
}

func (e *LocalesError) Error() string {
	return fmt.Sprintf("error reading the locales of site %s: %s", e.Site, e.Err)
}

// Unwrap implements errors.Is and errors.As.
func (e *LocalesError) Unwrap() error { return e.Err }

// explain adds what was read to an error of the API.
func (s *scan) explain(what string, err error) error {
	return explain(what, err, s.site().Name, s.siteID)
}

func explain(what string, err error, site, webflowID string) error {
	var e *webflow.Error
	switch {
	case !errors.As(err, &e):
	case e.Kind == webflow.KindForbidden:
		err = ErrMayNotRead
	case e.Kind == webflow.KindNotFound:
		err = &NoSiteError{Site: site, WebflowID: webflowID}
	}
	return fmt.Errorf("error %s: %w", what, err)
}
