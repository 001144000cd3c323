package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) serveCommand() *cobra.Command {
	var f webFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "The dashboard: see and steer everything in a browser",
		Long: `Shows in a browser what status, jobs, why and schedule show, and steers it; it sends nothing to
Webflow but what reading for a plan takes, so a worker (relabel work) has to run somewhere.
work --serve ADDR does both in one process.

It prints a link that logs in once; whoever has used it stays logged in on that browser until
relabel ends. Another one is for people who may look and not change. With --password-file there is
a password instead.

Beyond this machine (--listen 0.0.0.0:8443) it wants a password, and TLS: its own (--tls-cert,
--tls-key) or that of a proxy before it (--behind-proxy, which must set X-Forwarded-For).
--allow-host says by which names it goes; IP addresses and localhost always do.

It needs no token for looking. A plan is compared with the site by the token, or without one with
relabel's own record.`,
		Example: `  relabel serve
  relabel serve --listen 0.0.0.0:8443 --password-file secret --tls-cert cert.pem --tls-key key.pem --allow-host relabel.example.com
  relabel work --site all --serve 127.0.0.1:8080`,
		Args:              noArgs("no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.serve(ctx, s, f)
			})
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "`ADDRESS` and port to answer on; port 0 takes a free one")
	f.register(cmd)
	return cmd
}

func (a *app) serve(ctx context.Context, s *session, f webFlags) error {
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
	return d.serve(ctx)
}
