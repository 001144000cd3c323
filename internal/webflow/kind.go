package webflow

// Kind says why a call failed. A caller needs nothing else to decide what to do next.
type Kind uint8

// The kinds of Error. Those from KindBadRequest to KindOtherStatus are answers of the
// API. They depend only on the HTTP status, never on the body.
const (
	KindInvalid      Kind = iota + 1 // not sent, because the parameters are wrong
	KindNotSent                      // nothing reached the API: no connection, no TLS, or stopped before sending
	KindUnknown                      // sent at least in part, without a complete answer: it may have been applied
	KindBadRequest                   // 400
	KindUnauthorized                 // 401
	KindForbidden                    // 403
	KindNotFound                     // 404
	KindConflict                     // 409
	KindRateLimited                  // 429
	KindUnavailable                  // 5xx, 408 and 425: the API or a gateway has a problem
	KindRedirected                   // 3xx: this API never redirects, and redirects are never followed
	KindOtherStatus                  // any other status
	KindBadAnswer                    // 2xx, but not a usable answer: no JSON, too large, fields missing
	KindWrongAsset                   // 200 with another id
)

// String returns the kind in words, as it is shown to people.
func (k Kind) String() string {
	names := [...]string{
		KindInvalid:      "invalid call",
		KindNotSent:      "not sent",
		KindUnknown:      "outcome unknown",
		KindBadRequest:   "bad request",
		KindUnauthorized: "unauthorized",
		KindForbidden:    "forbidden",
		KindNotFound:     "not found",
		KindConflict:     "conflict",
		KindRateLimited:  "rate limited",
		KindUnavailable:  "unavailable",
		KindRedirected:   "redirected",
		KindOtherStatus:  "unexpected status",
		KindBadAnswer:    "bad answer",
		KindWrongAsset:   "answer for another asset",
	}
	if int(k) >= len(names) || names[k] == "" {
		return "no kind"
	}
	return names[k]
}

// kindOf maps every HTTP status except 200 to a Kind.
func kindOf(status int) Kind {
	switch status {
	case 400:
		return KindBadRequest
	case 401:
		return KindUnauthorized
	case 403:
		return KindForbidden
	case 404:
		return KindNotFound
	case 409:
		return KindConflict
	case 429:
		return KindRateLimited
	case 408, 425:
		return KindUnavailable
	}
	switch status / 100 {
	case 2:
		return KindBadAnswer
	case 3:
		return KindRedirected
	case 5:
		return KindUnavailable
	}
	return KindOtherStatus
}
