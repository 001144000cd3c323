package standin

import (
	"encoding/json"
	"net/http"
	"time"

	"relabel/internal/text"
)

// reply is an answer of the API before it is written.
type reply struct {
	status int
	body   []byte
}

func jsonReply(v any) reply {
	body, _ := json.Marshal(v) // structs of strings, numbers and lists: cannot fail
	return reply{http.StatusOK, body}
}

// problem is the body of an error, as Webflow's error page has it.
type problem struct {
	Code              string  `json:"code"`
	Message           string  `json:"message"`
	ExternalReference *string `json:"externalReference"`
	Details           []any   `json:"details"`
}

func refuse(status int, details ...any) reply {
	p := problem{Details: details}
	if details == nil {
		p.Details = []any{}
	}
	switch status {
	case http.StatusBadRequest:
		p.Code, p.Message = "validation_error", "Validation Error"
	case http.StatusUnauthorized:
		p.Code, p.Message = "not_authorized", "Request not authorized"
	case http.StatusForbidden:
		p.Code, p.Message = "missing_scopes", "OAuthForbidden: You are missing the following scopes - assets:write"
	case http.StatusNotFound:
		p.Code, p.Message = "resource_not_found", "Requested resource not found: The asset cannot be found"
	case http.StatusConflict:
		p.Code, p.Message = "conflict", "Conflict with the current state of the resource"
	case http.StatusTooManyRequests:
		p.Code, p.Message = "too_many_requests", "Too Many Requests"
	case http.StatusInternalServerError:
		p.Code, p.Message = "internal_error", "An unexpected error occurred"
	default:
		p.Code, p.Message = "error", http.StatusText(status)
	}
	body, _ := json.Marshal(p)
	return reply{status, body}
}

// detail is one of a problem's details in the form of an object.
type detail struct {
	Param       string `json:"param"`
	Description string `json:"description"`
}

// assetBody is an asset with all that Webflow's Update Asset page promises.
type assetBody struct {
	ID               string    `json:"id"`
	ContentType      string    `json:"contentType"`
	Size             int       `json:"size"`
	SiteID           string    `json:"siteId"`
	HostedURL        string    `json:"hostedUrl"`
	OriginalFileName string    `json:"originalFileName"`
	DisplayName      string    `json:"displayName"`
	LastUpdated      time.Time `json:"lastUpdated"`
	CreatedOn        time.Time `json:"createdOn"`
	Variants         []variant `json:"variants"`
	AltText          *string   `json:"altText"`
}

type variant struct {
	HostedURL        string  `json:"hostedUrl"`
	OriginalFileName string  `json:"originalFileName"`
	DisplayName      string  `json:"displayName"`
	Format           string  `json:"format"`
	Width            int     `json:"width"`
	Height           *int    `json:"height"`
	Quality          int     `json:"quality"`
	Error            *string `json:"error"`
}

func (s *Server) assetBody(a *asset, locale string) assetBody {
	v := a.get(locale)
	name := "p-500-" + a.fileName
	url := "https://assets.example.com/" + s.state.siteID + "/" + a.id + "_" + a.fileName
	return assetBody{
		ID: a.id, ContentType: "image/jpeg", Size: 48120, SiteID: s.state.siteID,
		HostedURL: url, OriginalFileName: a.fileName, DisplayName: text.Deref(v.name),
		LastUpdated: a.updated.UTC().Truncate(time.Millisecond), CreatedOn: a.created.UTC().Truncate(time.Millisecond),
		Variants: []variant{{HostedURL: url + "-p-500.jpg", OriginalFileName: name, DisplayName: name, Format: "jpg", Width: 500, Quality: 90}},
		AltText:  v.alt,
	}
}

// listedBody is an asset in a list: only there an answer has its folder.
type listedBody struct {
	assetBody
	FolderID *string `json:"folderId"`
}

type pageBody struct {
	Assets     []listedBody `json:"assets"`
	Pagination pagination   `json:"pagination"`
}

type pagination struct {
	Limit  int `json:"limit"`
	Offset int `json:"offset"`
	Total  int `json:"total"`
}

type siteBody struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	ShortName   string `json:"shortName"`
	TimeZone    string `json:"timeZone"`
	Locales     struct {
		Primary   *Locale  `json:"primary"`
		Secondary []Locale `json:"secondary"`
	} `json:"locales"`
}
