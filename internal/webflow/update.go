package webflow

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// UpdateAssetParams is one rename. At least one of the values must be set. A nil value
// stays unchanged, and an empty one is sent.
type UpdateAssetParams struct {
	AssetID     string
	LocaleID    string // the id of a locale, never its cmsLocaleId; empty for the primary locale
	DisplayName *string
	AltText     *string
}

// UpdateAssetResult is the asset in the API's answer. Its DisplayName may differ from
// the one sent, because the API may normalise names.
type UpdateAssetResult struct {
	Asset Asset
	Meta  Meta
}

// UpdateAsset sends one PATCH /assets/{asset_id}. The token needs the scope
// assets:write. The call is idempotent.
func (c *Client) UpdateAsset(ctx context.Context, p UpdateAssetParams) (UpdateAssetResult, error) {
	if problem := p.problem(); problem != "" {
		return UpdateAssetResult{}, c.invalid(problem)
	}
	body, err := c.updateBody(p)
	if err != nil {
		return UpdateAssetResult{}, c.invalid(err.Error())
	}
	var answer struct {
		Asset
		DisplayName *string `json:"displayName"` // nil if the name is missing
	}
	path := "/assets/" + url.PathEscape(p.AssetID)
	meta, err := c.do(ctx, call{http.MethodPatch, path, c.updateQuery(p), body, maxAnswer}, &answer)
	if err != nil {
		return UpdateAssetResult{Meta: meta}, err
	}
	if err := c.checkAsset(meta, answer.ID, p.AssetID); err != nil {
		return UpdateAssetResult{Meta: meta}, err
	}
	if answer.DisplayName != nil {
		answer.Asset.DisplayName = *answer.DisplayName
	} else if p.DisplayName != nil {
		return UpdateAssetResult{Meta: meta}, c.badAnswer(meta, "the answer has no display name")
	}
	return UpdateAssetResult{Asset: answer.Asset, Meta: meta}, nil
}

func (p UpdateAssetParams) problem() string {
	switch {
	case !IsObjectID(p.AssetID):
		return "the asset id must be 24 lower-case hex digits"
	case p.DisplayName == nil && p.AltText == nil:
		return "neither a display name nor an alt text is set"
	case !utf8.ValidString(p.LocaleID), !isUTF8(p.DisplayName), !isUTF8(p.AltText):
		return "the text is not valid UTF-8" // JSON would send a different text
	}
	return ""
}

func isUTF8(s *string) bool { return s == nil || utf8.ValidString(*s) }

func (c *Client) updateBody(p UpdateAssetParams) ([]byte, error) {
	body := struct {
		LocaleID    string  `json:"localeId,omitempty"`
		DisplayName *string `json:"displayName,omitempty"`
		AltText     *string `json:"altText,omitempty"`
	}{DisplayName: p.DisplayName, AltText: p.AltText}
	if c.localeIn != LocaleInQuery {
		body.LocaleID = p.LocaleID
	}
	return json.Marshal(body)
}

func (c *Client) updateQuery(p UpdateAssetParams) url.Values {
	if c.localeIn == LocaleInBody {
		return nil
	}
	return localeQuery(p.LocaleID)
}

func localeQuery(localeID string) url.Values {
	if localeID == "" {
		return nil
	}
	return url.Values{"localeId": {localeID}}
}

// checkAsset checks that the answer is about the requested asset. A shared cache or a
// mixed-up connection may return another one.
func (c *Client) checkAsset(meta Meta, got, want string) error {
	switch got {
	case want:
		return nil
	case "":
		return c.badAnswer(meta, "the answer is not an asset: it has no id")
	}
	return &Error{Kind: KindWrongAsset, Meta: meta, Message: c.clean("the answer is about asset " + got)}
}

func (c *Client) invalid(problem string) *Error {
	return &Error{Kind: KindInvalid, Meta: Meta{SentAt: c.now()}, Message: c.clean(problem)}
}
