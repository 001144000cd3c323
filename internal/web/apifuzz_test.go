package web

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/standin"
)

// triesOfEach operation, with other parameters, tokens and bodies each time.
const triesOfEach = 40

// document is what the test reads of the OpenAPI document.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]json.RawMessage
	}
}

type operation struct {
	OperationID string
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]struct{ Schema json.RawMessage }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema json.RawMessage }
	}
}

type parameter struct {
	Name, In string
	Schema   paramSchema
}

type paramSchema struct {
	Type             string
	Format           string
	Enum             []any
	Items            *paramSchema
	Minimum, Maximum *float64
}

// tester sends requests made of the document, and holds the answers against it.
type tester struct {
	*testing.T
	doc    document
	random *rand.Rand
	tokens []machine
	seen   map[string]map[int]int // by operation and status

	batches []string // those that were loaded
	schemas map[string]*jsonschema.Resolved
}

// No request makes the API fail, and each answer is one of those that the document has:
// whatever the parameters, the body, its type and the token are.
func TestAPIDocumentHolds(t *testing.T) {
	t.Parallel()
	clock := newClock()
	tick := func() time.Time { clock.add(time.Second); return clock.now() } // so that no limit ends the test
	b := setup(t, settings{config: Config{Now: tick, MaxUpload: 1 << 20}})
	b.exampleSchedules(t)
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: "shop"}))
	f := &tester{T: t, random: rand.New(rand.NewPCG(1, 2)), seen: map[string]map[int]int{}, schemas: map[string]*jsonschema.Resolved{}}
	f.tokens = []machine{
		b.machine(t, "write", db.TokenWrite, ""), b.machine(t, "other", db.TokenWrite, ""), b.machine(t, "read", db.TokenRead, ""),
		b.machine(t, "shop", db.TokenWrite, "shop"),
		{b.stranger(t), "relabel_wrong"},
		{b.stranger(t), ""},
	}
	require.NoError(t, json.Unmarshal([]byte(b.stranger(t).get(api.DocumentPath).text), &f.doc))
	for range 3 { // so that the first requests find something
		f.note(f.tokens[0].load("/batches?force=true", rows(3, "a")))
		f.note(f.tokens[0].load("/plans?force=true", rows(3, "b")))
		plan := "/batches/" + f.batches[len(f.batches)-1] + "/plan"
		f.tokens[0].until(plan, `"change":3`)
		f.check(f.doc.Paths[api.Prefix+"/batches/{batch}/plan"]["get"], f.tokens[0].look(plan), plan)
	}
	for range triesOfEach {
		for _, path := range slices.Sorted(maps.Keys(f.doc.Paths)) {
			for _, method := range slices.Sorted(maps.Keys(f.doc.Paths[path])) {
				f.try(path, strings.ToUpper(method), f.doc.Paths[path][method])
			}
		}
	}
	f.covered()
}

// covered requires that each operation has succeeded, and that some requests were refused.
func (f *tester) covered() {
	for id, statuses := range f.seen {
		good := 0
		for status, n := range statuses {
			if status < 300 {
				good += n
			}
		}
		f.Log(id, statuses)
		require.NotZero(f, good, "%s never succeeds: %v", id, statuses)
		require.Less(f, good, triesOfEach, "%s never fails: %v", id, statuses)
	}
}

func (f *tester) try(path, method string, op operation) {
	f.Helper()
	query, header := url.Values{}, []string{}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(f.pathValue(p)))
		case f.random.IntN(6) > 0: // left out
		case p.In == "query":
			query.Add(p.Name, f.value(p.Schema))
		case p.In == "header":
			header = append(header, p.Name, headerText(f.value(p.Schema)))
		}
	}
	if f.random.IntN(20) == 0 {
		query.Set("unknown", f.odd())
	}
	var body io.Reader
	shown := ""
	if op.RequestBody != nil {
		var kind string
		kind, shown = f.body()
		body, header = strings.NewReader(shown), append(header, "Content-Type", kind)
	}
	m := f.tokens[f.random.IntN(len(f.tokens))]
	if f.random.IntN(2) == 0 {
		m = f.tokens[0]
	}
	path += "?" + query.Encode()
	a := m.send(method, strings.TrimPrefix(path, api.Prefix), body, header...)
	f.note(a)
	f.check(op, a, fmt.Sprintf("%s %s %q\n%.300s", method, path, header, shown))
}

// note remembers a batch that was loaded.
func (f *tester) note(a answer) {
	if id, ok := strings.CutPrefix(a.Header.Get("Location"), api.Prefix+"/batches/"); ok {
		f.batches = append(f.batches, id)
	}
}

func (f *tester) check(op operation, a answer, request string) {
	f.Helper()
	if f.seen[op.OperationID] == nil {
		f.seen[op.OperationID] = map[int]int{}
	}
	f.seen[op.OperationID][a.StatusCode]++
	require.Less(f, a.StatusCode, 500, "%s\n%s", request, a.text)
	documented, ok := op.Responses[fmt.Sprint(a.StatusCode)]
	require.True(f, ok, "%s\nanswers %d, which the document does not have: %s", request, a.StatusCode, a.text)
	if a.StatusCode == http.StatusNotModified {
		require.Empty(f, a.text)
		return
	}
	kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	require.NoError(f, err, request)
	content, ok := documented.Content[kind]
	require.True(f, ok, "%s\nanswers %d with %s: %s", request, a.StatusCode, kind, a.text)
	if kind == "text/csv" {
		return
	}
	for d := json.NewDecoder(strings.NewReader(a.text)); ; {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return
		}
		require.NoError(f, err)
		require.NoError(f, f.schema(content.Schema).Validate(v), "%s\n%s", request, a.text)
	}
}

// schema resolves a schema of the document.
func (f *tester) schema(raw json.RawMessage) *jsonschema.Resolved {
	f.Helper()
	if known := f.schemas[string(raw)]; known != nil {
		return known
	}
	all := map[string]any{"allOf": []any{raw}, "$defs": f.doc.Components.Schemas}
	text, err := json.Marshal(all)
	require.NoError(f, err)
	var s jsonschema.Schema
	require.NoError(f, json.Unmarshal([]byte(strings.ReplaceAll(string(text), "#/components/schemas/", "#/$defs/")), &s))
	r, err := s.Resolve(nil)
	require.NoError(f, err)
	f.schemas[string(raw)] = r
	return r
}

// pathValue is mostly of something that exists.
func (f *tester) pathValue(p parameter) string {
	if f.random.IntN(6) == 0 {
		return "x" + f.odd() // an empty one would be another path
	}
	return map[string]string{"batch": f.batches[f.random.IntN(len(f.batches))], "site": "default", "schedule": "nightly"}[p.Name]
}

// value is mostly valid.
func (f *tester) value(s paramSchema) string {
	switch {
	case f.random.IntN(4) == 0:
		return f.odd()
	case s.Items != nil:
		return f.value(*s.Items)
	case len(s.Enum) > 0:
		return fmt.Sprint(s.Enum[f.random.IntN(len(s.Enum))])
	case s.Type == "boolean":
		return fmt.Sprint(f.random.IntN(2) == 0)
	case s.Type == "integer":
		low, high := int64(0), int64(100)
		if s.Minimum != nil {
			low = int64(*s.Minimum)
		}
		if s.Maximum != nil {
			high = int64(*s.Maximum)
		}
		return fmt.Sprint([]int64{low, high, low + f.random.Int64N(high-low+1), low - 1, high + 1}[f.random.IntN(5)])
	case s.Format == "date-time":
		return []string{"2026-11-27T18:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-27T18:00:00+14:00"}[f.random.IntN(4)]
	}
	return []string{"default", "shop", "a", "new", standin.AssetID(1), "primary", "display_name=New", "k1", "k2"}[f.random.IntN(9)]
}

// odd is a text that few expect.
func (f *tester) odd() string {
	return []string{
		"", " ", "0", "-1", "1.5", "1e99", "9223372036854775807", "9223372036854775808", "null", "true", "NaN", "\x00", "a\x00b", "\xff\xfe", "💥 ẞ\u202e",
		"'; DROP TABLE batch; --", "%", "%00", "../../etc/passwd", "{}", "[]", "\"", "\r\nX: y", strings.Repeat("x", 300), strings.Repeat("é", 5000), "_%\\", "\u2028", "open.1.2.3", "all.0.0.-1", "all.9223372036854775807.1.1",
	}[f.random.IntN(30)]
}

// headerText is what net/http sends as the value of a header.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// body is rows in every state, and their type.
func (f *tester) body() (kind, text string) {
	id := standin.AssetID(f.random.IntN(5))
	odd, _ := json.Marshal(f.odd())
	csv := []string{
		rows(3, "new.jpg"), rows(2, f.odd()), "asset_id,display_name,locale\n" + id + ",a,fr-FR\n", "asset_id,display_name,expected_name\n" + id + ",a,b\n",
		"current_name,display_name\n" + f.odd() + ",a\n", "", "\n", "\xef\xbb\xbf" + rows(1, "a"), "\x1f\x8b\x08garbage", "PK\x03\x04garbage", "asset_id;alt_text\n" + id + ";[empty]\n",
		"asset_id,display_name\n" + id + ",\"open", "asset_id,asset_id\n1,2\n", f.odd() + "," + f.odd() + "\n", "asset_id,display_name\n" + f.odd() + "," + f.odd() + "\n", rows(1, strings.Repeat("x", 1<<20+1)),
	}
	list := []string{
		`[{"asset_id": "` + id + `", "display_name": "a.jpg"}]`, `[{"asset_id": "` + id + `", "display_name": ` + string(odd) + `}]`, `[{"asset_id": "` + id + `", "alt_text": ""}, {"asset_id": "` + id + `"}]`,
		`[{"asset_id": ` + string(odd) + `, "alt_text": null}]`, `[{` + string(odd) + `: 1}]`, `[]`, `[null]`, `[1]`, `{}`, `null`, `""`, ``, `[`, `[{]`, `[{"asset_id": {"a": []}, "display_name": true}]`,
		strings.Repeat("[", 20_000), `[{"asset_id": "` + id + `", "display_name": "\ud800\u0000"}]`, `[{"current_name": ` + string(odd) + `, "display_name": "a"}]`,
		`[{"asset_id": "` + id + `", "display_name": "a", "locale": "fr-FR", "folder": "x"}]`, `[{"asset_id": "` + id + `", "display_name": "a", "expected_name": "b"}]`, `[{"Asset ID": "` + id + `", "asset_id": "", "display_name": "a"}]`,
	}
	switch f.random.IntN(15) {
	case 12, 13, 14:
		return "text/csv", rows(3, fmt.Sprint(f.random.Int()))
	case 0:
		return []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/json; charset", "text/csv; charset=utf-16"}[f.random.IntN(6)], rows(1, "a")
	case 1:
		return "application/json", csv[f.random.IntN(len(csv))]
	case 2:
		return "text/csv", list[f.random.IntN(len(list))]
	case 3, 4, 5, 6:
		return "text/csv", csv[f.random.IntN(len(csv))]
	}
	return "application/json", list[f.random.IntN(len(list))]
}
