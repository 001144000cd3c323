package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/notice"
	"relabel/internal/usecase"
)

// notifyFlag is --notify of the commands that make or start a batch.
type notifyFlag struct{ urls []string }

func (f *notifyFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.urls, "notify", nil, "send notices about the batch to this `URL`, a web hook or a mail server; may be repeated")
}

func (f *notifyFlag) check(a *app) error {
	if err := notice.CheckAll(nil, f.urls, a.cfg.Notify.AllowPrivate); err != nil {
		return usecase.WrongSetting("notify", ": %s", err)
	}
	return nil
}

// startNotices starts to deliver notices. The process works the given sites.
func (a *app) startNotices(ctx context.Context, d *db.DB, sites func() []int) *notice.Sender {
	return notice.Start(ctx, notice.Config{DB: d, Sites: sites, Notify: a.cfg.Notify, Logger: a.log})
}
