package webflow

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"
)

// errorBody is the body of a 4xx or 5xx. The fields of the second group come from the
// API's first version and from gateways.
//
// All fields are of type any, so that no value makes decoding fail: the text is only for
// people, and Webflow documents the details as strings or as objects.
type errorBody struct {
	Code    any `json:"code"`
	Message any `json:"message"`
	Details any `json:"details"`

	Msg         any `json:"msg"`
	Err         any `json:"err"`
	Error       any `json:"error"`
	Description any `json:"error_description"`
}

// parseErrorBody returns the code and the message of an error's body: JSON, HTML or
// plain text. They are not cleaned yet.
func parseErrorBody(body []byte) (code, message string) {
	body = bytes.TrimSpace(body)
	var e errorBody
	if err := json.Unmarshal(body, &e); err == nil {
		return text(e.Code), e.message()
	}
	var v any
	if err := json.Unmarshal(body, &v); err == nil {
		return "", text(v)
	}
	if bytes.HasPrefix(body, []byte("<")) {
		return "", htmlText(string(body))
	}
	return "", string(body)
}

func (e errorBody) message() string {
	var parts []string
	for _, v := range []any{e.Message, e.Msg, e.Err, e.Description, e.Error} {
		if s := text(v); s != "" {
			parts = append(parts, s)
			break
		}
	}
	if s := text(e.Details); s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, ": ")
}

// text turns a decoded JSON value into readable text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		return joinTexts(v)
	case map[string]any:
		return objectText(v)
	}
	return compact(v)
}

func joinTexts(list []any) string {
	parts := make([]string, 0, len(list))
	for _, v := range list {
		if s := text(v); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "; ")
}

// objectText shortens the objects in Webflow's details. For example
// {"param": "displayName", "description": "too long"} becomes "displayName: too long".
// Other objects stay JSON.
func objectText(o map[string]any) string {
	what := firstString(o, "description", "message", "reason")
	if what == "" {
		return compact(o)
	}
	if where := firstString(o, "param", "field", "path", "name"); where != "" {
		return where + ": " + what
	}
	return what
}

func firstString(o map[string]any, keys ...string) string {
	for _, k := range keys {
		if s, ok := o[k].(string); ok && s != "" {
			return s
		}
	}
	return ""
}

func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil || string(b) == "{}" {
		return ""
	}
	return string(b)
}

// htmlText returns the title of a gateway's error page, such as "502 Bad Gateway". If
// there is no title, it returns the first heading, or else the whole text.
func htmlText(page string) string {
	for _, tag := range []string{"title", "h1"} {
		if s := element(page, tag); s != "" {
			return s
		}
	}
	return stripTags(page)
}

// element returns the text of the first element with a tag.
func element(page, tag string) string {
	m := regexp.MustCompile(`(?is)<` + tag + `(?:\s[^>]*)?>(.*?)</` + tag).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return stripTags(m[1])
}

func stripTags(page string) string {
	page = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>|<!--.*?-->|<[^>]*>`).ReplaceAllString(page, " ")
	return strings.TrimSpace(html.UnescapeString(page))
}
