package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"relabel/internal/report"
	"relabel/internal/text"
)

// maxSkew is the difference of clocks that is reported: times on screen are wrong by
// it. relabel decides nothing by this machine's clock.
const maxSkew = 2 * time.Second

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check what relabel needs: database, schema, clock, token",
		Long: `Checks what relabel needs and prints a line for each: the database and its schema, each host of a
DATABASE_URL with several, this machine's clock, and the token of --site. It does not try the token
(relabel site check does). Exits with 1 if something is wrong.`,
		Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

// finding is the result of one check.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
}

func (a *app) doctor(ctx context.Context) error {
	findings := a.examine(ctx)
	bad := 0
	for _, f := range findings {
		if !f.OK {
			bad++
		}
		if a.json {
			continue
		}
		mark := "ok     "
		if !f.OK {
			mark = "PROBLEM"
		}
		fmt.Fprintf(a.Out, "%s  %-9s %s\n", mark, f.Check, f.Text)
	}
	if a.json {
		if err := a.result.print(findingsJSON{findings}); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("doctor found %s", text.Plural(int64(bad), "problem", "problems"))
	}
	return nil
}

func (a *app) examine(ctx context.Context) []finding {
	s, err := a.open(ctx)
	if err != nil {
		return []finding{{"database", false, text.OneLine(err.Error())}}
	}
	defer s.Close()
	found := append([]finding{{"database", true, s.describe()}}, examineHosts(s.Hosts(ctx))...)
	return append(found, examineClock(ctx, s), a.examineToken(ctx, s))
}

func examineClock(ctx context.Context, s *session) finding {
	skew, err := s.Skew(ctx)
	if err != nil {
		return finding{"clock", false, text.OneLine(err.Error())}
	}
	if skew.Abs() > maxSkew {
		return finding{"clock", false, fmt.Sprintf("this machine's clock differs from the database's by %s: times on screen are wrong; set the clock",
			skew.Abs().Round(time.Millisecond))}
	}
	return finding{"clock", true, "within " + text.Span(maxSkew) + " of the database's"}
}

func (a *app) examineToken(ctx context.Context, s *session) finding {
	cfg, err := a.namedSite(ctx, s, a.site)
	if err != nil {
		return finding{"token", false, text.OneLine(err.Error())}
	}
	if cfg.Site.ParkedAt != nil {
		return finding{"token", false, report.ParkedSince(cfg.Site.Name, text.Deref(cfg.Site.ParkedReason), *cfg.Site.ParkedAt, time.Now())}
	}
	return finding{"token", true, "found for site " + cfg.Site.Name + " (not tried)"}
}
