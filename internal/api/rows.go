package api

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"relabel/db"
	"relabel/internal/pace"
	"relabel/internal/records"
	"relabel/internal/report"
)

// SourceRow is a row of a load as JSON.
type SourceRow struct {
	_ struct{} `additionalProperties:"true"`

	AssetID          *string `json:"asset_id,omitempty" nullable:"true" doc:"24 hexadecimal digits; one of current_name, original_file_name and hosted_url may stand for it"`
	DisplayName      *string `json:"display_name,omitempty" nullable:"true" doc:"null leaves the name alone"`
	AltText          *string `json:"alt_text,omitempty" nullable:"true" doc:"null leaves the alt text alone, an empty one empties it"`
	LocaleID         *string `json:"locale_id,omitempty" nullable:"true" doc:"null is the primary locale"`
	Locale           *string `json:"locale,omitempty" nullable:"true" doc:"a tag such as fr-FR, instead of locale_id"`
	ExpectedName     *string `json:"expected_name,omitempty" nullable:"true" doc:"the name that the asset must have now"`
	CurrentName      *string `json:"current_name,omitempty" nullable:"true"`
	OriginalFileName *string `json:"original_file_name,omitempty" nullable:"true"`
	HostedURL        *string `json:"hosted_url,omitempty" nullable:"true"`
	Folder           *string `json:"folder,omitempty" nullable:"true" doc:"narrows a name"`
}

func typeOfRows() reflect.Type { return reflect.TypeFor[[]SourceRow]() }

type rowsQuery struct {
	Batch       int64     `query:"batch" minimum:"0" doc:"rows of this batch; 0: of all"`
	Site        string    `query:"site" maxLength:"100"`
	Statuses    []string  `query:"status" enum:"pending,sending,succeeded,failed,superseded,unchanged,conflict,cancelled,invalid"`
	State       string    `query:"state" maxLength:"100" enum:"available,cancelled,completed,discarded,pending,retryable,running,scheduled" doc:"of the row's River job"`
	Locale      string    `query:"locale" maxLength:"100" doc:"a tag such as fr-FR, an id, or primary"`
	Asset       string    `query:"asset" maxLength:"100" doc:"an asset's id"`
	Name        string    `query:"name" maxLength:"1000" doc:"a part of the wanted or the stored name"`
	Error       string    `query:"error" maxLength:"1000" doc:"a part of the error"`
	HTTPStatus  int       `query:"http" minimum:"0" maximum:"999" doc:"of the last answer, such as 404"`
	MinAttempts int       `query:"min_attempts" minimum:"0" maximum:"1000000" doc:"sent at least so often"`
	MaxAttempts int       `query:"max_attempts" minimum:"-1" maximum:"1000000" default:"-1" doc:"sent at most so often; -1: any"`
	Since       time.Time `query:"since" doc:"ended at this time or later"`
	Until       time.Time `query:"until" doc:"ended before this time"`
	Sort        string    `query:"sort" enum:"newest,oldest,ended"`
	Limit       int       `query:"limit" minimum:"1" maximum:"5000" default:"50"`
	Cursor      string    `query:"cursor" maxLength:"200" doc:"next_cursor of the page before"`
}

type resultsQuery struct {
	BatchInput
	Format   string   `query:"format" enum:"csv,jsonl" default:"csv" doc:"jsonl has the exact values, CSV is safe to open in a spreadsheet"`
	Statuses []string `query:"status" enum:"pending,sending,succeeded,failed,superseded,unchanged,conflict,cancelled,invalid"`
}

type resultsOutput struct {
	Body func(huma.Context)
}

func (s *Server) registerRows() {
	register(s, huma.Operation{
		OperationID: "list-rows", Method: http.MethodGet, Path: Prefix + "/rows", Summary: "List rows by filter, a page at a time",
		Description: "A page searches at most 50,000 rows, so one with few matches may be short. While next_cursor is not null there is more.",
	}, s.rows)
	schemas := s.api.OpenAPI().Components.Schemas
	register(s, huma.Operation{
		OperationID: "results", Method: http.MethodGet, Path: batchesPath + "/{batch}/results", Summary: "Every row of a batch and its outcome",
		Description: "CSV, or one JSON object a line. An answer that breaks off has no proper end.",
		Responses: map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{
			"text/csv":             {Schema: &huma.Schema{Type: huma.TypeString}},
			"application/x-ndjson": {Schema: schemas.Schema(reflect.TypeFor[records.Result](), true, "")},
		}}},
	}, s.results)
}

func (q *rowsQuery) filter(site string) (f records.RowFilter, err error) {
	f = records.RowFilter{
		Batch: q.Batch, Site: site, Statuses: db.RowStatuses(q.Statuses), State: q.State, Name: q.Name, Error: q.Error,
		HTTPStatus: q.HTTPStatus, MinAttempts: q.MinAttempts, Since: q.Since, Until: q.Until,
	}
	if q.MaxAttempts >= 0 {
		f.MaxAttempts = &q.MaxAttempts
	}
	var valid bool
	if q.Locale != "" {
		if f.Locale, f.LocaleTag, valid = report.LocaleFilter(q.Locale); !valid {
			return f, records.FilterError("locale is a tag such as fr-FR, a locale's id, or " + report.PrimaryLocale)
		}
	}
	if q.Asset != "" {
		if f.AssetID, valid = report.AssetFilter(q.Asset); !valid {
			return f, records.FilterError("asset is an asset's id: 24 hexadecimal digits")
		}
	}
	return f, f.Check()
}

func (s *Server) rows(ctx context.Context, in *rowsQuery) (*ok[report.RowList], error) {
	site, err := sees(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	f, err := in.filter(site)
	if err != nil {
		return nil, err
	}
	if in.Batch != 0 {
		if _, err := s.read(ctx, in.Batch); err != nil {
			return nil, err
		}
	}
	page, err := records.Rows(ctx, s.cfg.DB, records.RowQuery{RowFilter: f, Sort: records.RowSort(in.Sort), Cursor: in.Cursor, Limit: in.Limit})
	return &ok[report.RowList]{report.NewRowList(page)}, err
}

func (s *Server) results(ctx context.Context, in *resultsQuery) (*resultsOutput, error) {
	if _, err := s.read(ctx, in.Batch); err != nil {
		return nil, err
	}
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	return &resultsOutput{func(hc huma.Context) {
		defer release()
		_, w := humago.Unwrap(hc)
		kind := "text/csv; charset=utf-8"
		if in.Format == report.FormatJSONL {
			kind = "application/x-ndjson"
		}
		w.Header().Set("Content-Type", kind)
		rows := records.Results(ctx, s.cfg.DB, in.Batch, db.RowStatuses(in.Statuses))
		if _, err := report.WriteResults(pace.NewWriter(w), in.Format, rows); err != nil {
			if ctx.Err() == nil {
				s.cfg.Logger.Warn("an answer with results was cut short", "batch", in.Batch, "error", err)
			}
			panic(http.ErrAbortHandler) // so that the client sees that it is not complete
		}
	}}, nil
}

// choice is what a retry was asked for, for the audit log.
func choice(in *retryInput) string {
	q := url.Values{}
	if len(in.Statuses) > 0 {
		q.Set("status", strings.Join(in.Statuses, ","))
	}
	if in.Error != "" {
		q.Set("error", in.Error)
	}
	return q.Encode()
}
