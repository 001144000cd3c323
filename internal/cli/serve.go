package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	var metrics metricsFlag
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the dashboard: see and control everything in a browser",
		Long: `Shows in a browser what status, rows, why and schedule show, and lets you control it. It renames
nothing itself, so a worker (relabel work) must run somewhere. work --serve ADDR does both in one
process.

It prints two links: one with full access, and one that is read-only. Each link logs in one browser;
then relabel prints the next link. With --password-file there is a password instead. With --users,
people log in with names and passwords of their own, and the audit log names them. On an address that
other machines can reach there are no links.

To serve other machines (--listen 0.0.0.0:8443) it requires passwords and TLS: its own (--tls-cert,
--tls-key) or that of a proxy in front (--behind-proxy; the proxy must set X-Forwarded-For).
--allow-host lists its host names; IP addresses and localhost are always allowed. If the proxy logs
people in, --trust-header takes their names from it.

Programs use its API, /api/v1, with tokens of their own: see relabel token --help and docs/api.md.

Looking needs no token. A plan is compared with the site if there is a token, else with relabel's own
record.`,
		Example: `  relabel serve
  relabel serve --listen 0.0.0.0:8443 --password-file secret --tls-cert cert.pem --tls-key key.pem --allow-host relabel.example.com
  relabel work --site all --serve 127.0.0.1:8080`,
		Args:              noArgs("no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(f.check(), metrics.check()); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.withMetrics(ctx, s, metrics, func() error { return a.serve(ctx, s, f) })
			})
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "`ADDRESS` and port to listen on; port 0 means any free port")
	f.register(cmd)
	metrics.register(cmd.Flags())
	return cmd
}

func (a *app) serve(ctx context.Context, s *session, f serveFlags) error {
	d, err := a.newDashboard(ctx, s.DB, f)
	if err != nil {
		return err
	}
	if a.json {
		if err := a.result.print(d.where()); err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.Out, d.text())
	}
	a.note("Ctrl-C stops")
	defer a.startNotices(ctx, s.DB, nil).Stop()
	return d.serve(ctx)
}
