package cli

import (
	"context"
	"fmt"
	"strconv"

	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// listedBatches is how many batches `status` lists: a screen.
const listedBatches = 20

func (a *app) statusList(ctx context.Context, s *session, site string) error {
	if site != "" {
		if _, err := s.SiteByName(ctx, site); err != nil {
			return err
		}
	}
	views, err := report.Batches(ctx, s.DB, site, listedBatches)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(report.BatchList{Batches: views})
	}
	if len(views) == 0 {
		fmt.Fprintln(a.Out, "no batches yet: relabel run FILE.csv makes the first")
		return nil
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "BATCH", Need: 1, Right: true},
		{Name: "STATUS", Need: 2},
		{Name: "DONE", Need: 3, Right: true},
		{Name: "FAILED", Need: 4, Right: true},
		{Name: "ENDS", Need: 5},
		{Name: "SITE", Need: 6},
		{Name: "NAME", Text: true},
	}}
	for _, v := range views {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(v.Batch, 10), v.StatusWord(), text.Number(v.Done()) + "/" + text.Number(v.Total),
			text.Number(v.Bad()), v.EndsWord(), v.Site, text.Line(v.Name),
		})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}
