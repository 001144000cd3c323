package api

import (
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const schemaPrefix = "#/components/schemas/"

// schemaName names a type in the document, where the packages' own names say too little.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	better := map[string]string{
		"View": "Schedule", "Views": "ScheduleList", "History": "ScheduleHistory", "RunView": "Run", "SentNotice": "Notice",
		"SiteView": "Site", "LaneView": "Lane", "ProblemView": "RowProblem", "Loaded": "LoadedBatch", "Summary": "Plan", "Finding": "VerifyFinding",
	}[name]
	if better != "" {
		return better
	}
	return name
}

// exact corrects what huma can't know: lists are never null, and objects behind pointers
// may be.
func exact(doc *huma.OpenAPI) {
	schemas := doc.Components.Schemas
	delete(schemas.Map(), "ErrorModel") // huma's own, which no answer has
	for name, s := range schemas.Map() {
		for _, p := range s.Properties {
			if p.Type == huma.TypeArray {
				p.Nullable = false
			}
		}
		for _, f := range reflect.VisibleFields(schemas.TypeFromRef(schemaPrefix + name)) {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if p := s.Properties[field]; p != nil && p.Ref != "" && isNullable(f) {
				s.Properties[field] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}}}
			}
		}
	}
}

// exactParameters does the same for lists in the address.
func exactParameters(doc *huma.OpenAPI) {
	for _, path := range doc.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post} {
			if op == nil {
				continue
			}
			for _, p := range op.Parameters {
				p.Schema.Nullable = false
			}
		}
	}
}

func isNullable(f reflect.StructField) bool {
	return f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && f.Type.Elem() != reflect.TypeFor[time.Time]() &&
		!strings.Contains(f.Tag.Get("json"), "omitempty")
}
