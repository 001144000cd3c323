package cli

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/embedpg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// completeTime bounds a completion: a person waits for it with a finger on the key.
const completeTime = time.Second

// completedBatches is how many batches a completion offers, the newest first.
const completedBatches = 50

// completeNothing keeps the shell from offering file names.
func completeNothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeCSV offers files that can be a SOURCE.
func completeCSV(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"csv", "tsv", "txt", "gz", "xlsx"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeFlag registers a flag's completion.
func completeFlag(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	_ = cmd.RegisterFlagCompletionFunc(flag, complete) // the flag is there
}

// completeWords offers fixed values of a flag.
func completeWords(cmd *cobra.Command, flag string, words []string) {
	completeFlag(cmd, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completeBatch offers the numbers of batches as the first argument, with their names.
// With statuses it offers only batches of these.
func (a *app) completeBatch(statuses ...db.BatchStatus) cobra.CompletionFunc {
	return onlyFirst(a.completeBatchFlag(statuses...))
}

// completeBatchFlag is completeBatch for the value of a flag.
func (a *app) completeBatchFlag(statuses ...db.BatchStatus) cobra.CompletionFunc {
	return a.completeFrom(func(ctx context.Context, d *db.DB, cmd *cobra.Command) (out []string, err error) {
		site := ""
		if cmd.Flags().Changed("site") {
			site = a.site
		}
		list, err := records.Batches(ctx, d, site, completedBatches)
		for _, b := range list {
			if len(statuses) == 0 || slices.Contains(statuses, b.Status) {
				out = append(out, strconv.FormatInt(b.Batch, 10)+"\t"+text.Line(fmt.Sprintf("%s (%s, site %s)", b.Name, b.Status, b.Site)))
			}
		}
		return out, err
	})
}

// completeSite offers the names of sites.
func (a *app) completeSite() cobra.CompletionFunc {
	return a.completeFrom(func(ctx context.Context, d *db.DB, _ *cobra.Command) (out []string, err error) {
		list, err := d.Sites(ctx)
		for _, s := range list {
			out = append(out, s.Name+"\t"+text.Line(report.SiteState(s)))
		}
		return out, err
	})
}

// completeSchedule offers the names of schedules as the first argument.
func (a *app) completeSchedule() cobra.CompletionFunc {
	return onlyFirst(a.completeFrom(func(ctx context.Context, d *db.DB, _ *cobra.Command) (out []string, err error) {
		list, err := scheduledb.List(ctx, d, "")
		for _, s := range list {
			out = append(out, s.Name+"\t"+text.Line(s.Cron+" for site "+s.Site))
		}
		return out, err
	}))
}

// completeToken offers the names of tokens that can be revoked.
func (a *app) completeToken() cobra.CompletionFunc {
	return onlyFirst(a.completeFrom(func(ctx context.Context, d *db.DB, _ *cobra.Command) (out []string, err error) {
		list, err := d.Tokens(ctx)
		for _, one := range list {
			if one.RevokedAt == nil {
				out = append(out, one.Name+"\t"+fmt.Sprintf("%s, %s, site %s", one.State, one.Role, cmp.Or(text.Deref(one.Site), "all")))
			}
		}
		return out, err
	}))
}

// completeScheduleAndCSV offers names of schedules, and then files that can be its SOURCE.
func (a *app) completeScheduleAndCSV(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeSchedule()(cmd, args, start)
	}
	return completeCSV(cmd, args[1:], start)
}

// onlyFirst offers nothing after the first argument.
func onlyFirst(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return completeNothing(cmd, args, start)
		}
		return complete(cmd, args, start)
	}
}

// completeFrom offers what list reads from the database and begins with what is typed.
// Without an answer it offers nothing, and says nothing: a message would end up in the
// line that is being typed.
func (a *app) completeFrom(list func(context.Context, *db.DB, *cobra.Command) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, start string) (out []string, _ cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
		defer cancel()
		if s := a.openForCompletion(ctx); s != nil {
			defer s.Close()
			out, _ = list(ctx, s.DB, cmd)
		}
		out = slices.DeleteFunc(out, func(o string) bool { return !strings.HasPrefix(o, start) })
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// openForCompletion connects to a database that answers. It joins a private server that
// other commands use, and starts none. nil: there is no database to ask.
func (a *app) openForCompletion(ctx context.Context) (s *session) {
	if a.configure() != nil { // the flags of the completed line are read by now
		return nil
	}
	a.log = slog.New(slog.DiscardHandler)
	if a.cfg.DatabaseURL != "" {
		s, _ = a.openNamed(ctx)
		return s
	}
	st, err := embedpg.Inspect(ctx, embedpg.Config{StateDir: a.cfg.StateDir, Logger: a.log})
	if err == nil && st.Running && st.InUse {
		s, _ = a.openPrivate(ctx)
	}
	return s
}
