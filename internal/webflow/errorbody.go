package webflow

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"strconv"
	"strings"
)

// errorBody is what Webflow answers with a 4xx or 5xx. All of it is any: the details
// are documented as strings or objects, and a body is only for people, so nothing in
// it may make the reading of it fail. The second group is what the API's first version
// and gateways use.
type errorBody struct {
	Code    any `json:"code"`
	Message any `json:"message"`
	Details any `json:"details"`

	Msg         any `json:"msg"`
	Err         any `json:"err"`
	Error       any `json:"error"`
	Description any `json:"error_description"`
}

// parseErrorBody gives the code and the message of an error's body, whatever kind of
// body it is. Neither is cleaned yet.
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

// text turns a decoded JSON value into words.
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

// objectText shortens the objects that Webflow's details are made of, such as
// {"param": "displayName", "description": "too long"}, to "displayName: too long".
// Any other object stays as it is.
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

// Gateways answer with a page. Its title says what there is to know ("502 Bad
// Gateway"), else its first heading, else its text.
func htmlText(page string) string {
	for _, tag := range []string{"title", "h1"} {
		if s := element(page, tag); s != "" {
			return s
		}
	}
	return stripTags(page)
}

// element is the text of the first element with that tag.
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
