package cli

import (
	"context"

	"relabel/internal/rehearsal"
	"relabel/internal/report"
	"relabel/internal/terminal"
)

func (a *app) siteList(ctx context.Context, s *session) error {
	sites, err := s.Sites(ctx)
	if err != nil {
		return err
	}
	views := make([]report.SiteView, len(sites))
	for i, site := range sites {
		if views[i], err = report.ReadSite(ctx, s.DB, site); err != nil {
			return err
		}
	}
	if a.json {
		return a.result.print(report.SiteList{Sites: views})
	}
	t := terminal.Table{Columns: []terminal.Column{{Name: "SITE", Need: 1}, {Name: "LIMIT", Need: 2}, {Name: "TOKEN FROM", Need: 4}, {Name: "STATE", Text: true}}}
	for _, v := range views {
		t.Rows = append(t.Rows, []string{v.Name, v.Limit, tokenFrom(v), siteStateText(v)})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}

func tokenFrom(v report.SiteView) string {
	switch {
	case rehearsal.IsStandIn(v.Name):
		return "(a stand-in)"
	case v.TokenFile != nil:
		return "file " + *v.TokenFile
	case v.TokenEnv != nil:
		return *v.TokenEnv
	}
	return "WEBFLOW_TOKEN or WEBFLOW_TOKEN_FILE"
}
