package webflow

// Kind says how a call ended, when it did not end well. It is all a caller needs to
// decide what to do next.
type Kind uint8

// The kinds of Error. Those from KindBadRequest to KindOtherStatus are the API's own
// answers, told apart by their HTTP status alone; a body never changes the kind.
const (
	KindInvalid      Kind = iota + 1 // refused here, before sending: a mistake in the parameters
	KindNotSent                      // nothing reached the API: no connection, no TLS, stopped before sending
	KindUnknown                      // it was sent, wholly or in part, and no whole answer came: it may have landed
	KindBadRequest                   // 400
	KindUnauthorized                 // 401
	KindForbidden                    // 403
	KindNotFound                     // 404
	KindConflict                     // 409
	KindRateLimited                  // 429
	KindUnavailable                  // 5xx, 408 and 425: the API, or a gateway before it, is not well
	KindRedirected                   // 3xx: never part of this API, never followed
	KindOtherStatus                  // any other status
	KindBadAnswer                    // 2xx, but not what was asked for: no JSON, too large, fields missing
	KindWrongAsset                   // 200 with another id
)

// String is the kind in words, as it is shown to people.
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

// kindOf is the one mapping from an HTTP status to a Kind. It is not asked about 200.
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
