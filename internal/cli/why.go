package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/internal/records"
	"relabel/internal/report"
)

func (a *app) whyCommand() *cobra.Command {
	var locale string
	cmd := &cobra.Command{
		Use:   "why ASSET_ID",
		Short: "Everything that happened to one asset, in order of time",
		Long: `Shows the history of one asset: which file and line asked for which name, each wait and its
reason, each call and its answer, the value before, what superseded it, and what it waits for
now. It covers all sites unless --site is given.`,
		Example: "  relabel why 9f4a7f85b42ea4c6374f11ca",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("`%s` takes one asset id", cmd.CommandPath())
			}
			_, err := assetID(args[0])
			return err
		},
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := assetID(args[0])
			if err != nil {
				return err
			}
			p := records.StoryParams{AssetID: id}
			if cmd.Flags().Changed("site") {
				p.Site = a.site
			}
			if cmd.Flags().Changed("locale") {
				if p.Locale, p.Tag, err = localeOf(locale); err != nil {
					return err
				}
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return filterUsage(a.story(ctx, s, p)) })
		},
	}
	cmd.Flags().StringVar(&locale, "locale", "", "only this `LOCALE`: a tag such as fr-FR, an id, or "+report.PrimaryLocale)
	return cmd
}
