package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/notice"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

func (a *app) siteNoticesCommand() *cobra.Command {
	var limit int
	cmd := a.siteSubcommand("notices", "Show what notices were sent about a site and its batches, the newest first",
		"no arguments; --site names the site", func(ctx context.Context, s *session) error {
			if limit < 1 {
				return usageError("--limit is 1 or more, not %d", limit)
			}
			site, err := s.SiteByName(ctx, a.site)
			if err != nil {
				return err
			}
			list, err := notice.OfSite(ctx, s.DB, site.ID, limit)
			if err != nil {
				return err
			}
			if a.json {
				return a.result.print(siteNoticesJSON{site.Name, list})
			}
			a.printNotices(list)
			return nil
		})
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` notices")
	return cmd
}

type siteNoticesJSON struct {
	Site    string        `json:"site"`
	Notices []notice.Made `json:"notices"`
}

func (a *app) printNotices(list []notice.Made) {
	if len(list) == 0 {
		return
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "MADE", Need: 1}, {Name: "EVENT", Need: 2}, {Name: "BATCH", Need: 4, Right: true}, {Name: "TO", Need: 5}, {Name: "RESULT", Text: true},
	}}
	for _, n := range list {
		batch := "-"
		if n.Batch != nil {
			batch = fmt.Sprint(*n.Batch)
		}
		t.Rows = append(t.Rows, []string{text.Clock(n.CreatedAt, n.Now), n.Event, batch, text.Line(n.To), text.Line(outcomeOf(n))})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
}

// outcomeOf says what has become of a notice.
func outcomeOf(n notice.Made) string {
	switch {
	case n.SentAt != nil:
		return "sent at " + text.Clock(*n.SentAt, n.Now)
	case n.NextTryAt == nil:
		return fmt.Sprintf("given up after %s: %s", text.Plural(int64(n.Tries), "try", "tries"), text.Deref(n.Error))
	case n.Tries == 0:
		return "waits for a process that sends it"
	}
	return fmt.Sprintf("next try at %s: %s", text.Clock(*n.NextTryAt, n.Now), cmp.Or(text.Deref(n.Error), "it is being sent"))
}
