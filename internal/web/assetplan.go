package web

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// shownRefused is how many refused rows a message names.
const shownRefused = 5

// emptiedAlt is the alt text of a row that empties it: no text that a person types.
const emptiedAlt = "[emptied on the page of assets]"

// plannedRow is a row of a plan that was made on the page of assets. An empty name or alt
// text is left as it is.
type plannedRow struct{ ID, Name, Alt, Expected string }

// planCSV writes rows as the file that a person could have loaded.
func planCSV(rows []plannedRow) io.Reader {
	var buf bytes.Buffer
	out := csv.NewWriter(&buf)
	_ = out.Write([]string{"asset_id", "display_name", "alt_text", "expected_name"}) // memory: cannot fail
	for _, r := range rows {
		_ = out.Write([]string{r.ID, r.Name, r.Alt, r.Expected})
	}
	out.Flush()
	return &buf
}

// planRows loads rows as a plan, by the same use case as an upload.
func (s *Server) planRows(ctx context.Context, by usecase.Actor, site db.Site, name string, rows []plannedRow) (done, error) {
	var refused []string
	res, err := s.use.Load(ctx, by, usecase.LoadParams{
		Site: site, Source: usecase.Source{Input: planCSV(rows), InputName: "the page Assets", Empty: emptiedAlt}, Name: name, Planned: true, MaxRows: s.cfg.MaxRows,
		Problem: func(p intake.Problem) {
			if len(refused) < shownRefused {
				refused = append(refused, fmt.Sprintf("%q: %s", text.Cut(p.Value, 60), p.Message))
			}
		},
	})
	if e := (*usecase.RefusedError)(nil); errors.As(err, &e) {
		return done{}, errors.New("nothing was planned: " + strings.Join(refused, "; "))
	}
	if err != nil {
		return done{}, err
	}
	out := done{text: "Nothing is sent until you apply this plan.", next: batchPath(res.BatchID)}
	if why := s.firstCompare(site, res); why != "" {
		out.text += " " + why
	}
	return out, nil
}
