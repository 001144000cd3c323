package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/sourcegraph/conc"

	"relabel/db"
	"relabel/internal/rehearsal"
	"relabel/internal/web"
	"relabel/jobs"
)

// dashboard is one that listens and does not answer yet.
type dashboard struct {
	server   *web.Server
	listener net.Listener
	cert     *tls.Certificate
	url      string
	password bool
}

// newDashboard listens, so that what can go wrong does so now.
func (a *app) newDashboard(ctx context.Context, d *db.DB, f webFlags) (*dashboard, error) {
	out := &dashboard{password: f.password != ""}
	if f.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate can't be used: %w", err)
		}
		out.cert = &cert
	}
	client, err := jobs.NewInsertClient(d, a.log)
	if err != nil {
		return nil, err
	}
	if out.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen); err != nil {
		return nil, fmt.Errorf("the dashboard can't answer on %s: %w; --listen takes another address", f.listen, err)
	}
	_, port, _ := net.SplitHostPort(out.listener.Addr().String())
	out.url = dashboardURL(f, port)
	out.server, err = web.New(web.Config{
		DB: d, Client: client, Version: Version(), Logger: a.log,
		Password: f.password, ReadOnlyPassword: f.lookPW,
		LinkUsed: func(r web.Role, from string) {
			fmt.Fprintf(a.Err, "somebody at %s has logged in to %s; the next link: %s\n", from, r, out.link(r))
		},
		Hosts: f.hosts, Secure: out.cert != nil || f.behindProxy, BehindProxy: f.behindProxy, Port: port,
		MaxUpload: int64(f.maxUpload) << 20, Site: a.dashboardSite, StandIn: rehearsal.IsStandIn, CallTimeout: a.cfg.CallTimeout,
	})
	if err != nil {
		_ = out.listener.Close()
		return nil, err
	}
	return out, nil
}

// dashboardSite is namedSite for a site that was read already.
func (a *app) dashboardSite(site db.Site) (jobs.SiteConfig, error) {
	if err := noStandIn(site.Name); err != nil {
		return jobs.SiteConfig{}, err
	}
	return a.siteConfig(site)
}

// dashboardURL is how a person on this machine, or with a name given, gets there.
func dashboardURL(f webFlags, port string) string {
	host, _, _ := net.SplitHostPort(f.listen)
	switch {
	case len(f.hosts) > 0 && f.behindProxy:
		return "https://" + f.hosts[0]
	case len(f.hosts) > 0:
		host = f.hosts[0]
	case host == "" || host == "0.0.0.0" || host == "::":
		host = "127.0.0.1"
	}
	scheme := "http://"
	if f.tlsCert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

func (d *dashboard) link(r web.Role) string { return d.url + d.server.Link(r) }

// text says where it is and how to get in.
func (d *dashboard) text() string {
	if d.password {
		return "the dashboard is at " + d.url + "\n"
	}
	return strings.Join([]string{
		"the dashboard is at " + d.url + "; each of these links logs in once:",
		"  to look and change: " + d.link(web.RoleChange),
		"  to look:            " + d.link(web.RoleLook), "",
	}, "\n")
}

// whereJSON is text for programs.
type whereJSON struct {
	URL        string `json:"url"`
	ChangeLink string `json:"change_link,omitempty"`
	LookLink   string `json:"look_link,omitempty"`
}

func (d *dashboard) where() whereJSON {
	if d.password {
		return whereJSON{URL: d.url}
	}
	return whereJSON{URL: d.url, ChangeLink: d.link(web.RoleChange), LookLink: d.link(web.RoleLook)}
}

func (d *dashboard) serve(ctx context.Context) error { return d.server.Serve(ctx, d.listener, d.cert) }

// besideConns is what a dashboard beside workers takes of the database: theirs
// are for them.
const besideConns = 6

// servingBeside runs fn, and the dashboard as long as fn goes on.
func (a *app) servingBeside(ctx context.Context, s *session, f webFlags, fn func() error) error {
	if f.listen == "" {
		return fn()
	}
	d, err := db.Open(ctx, db.Config{URL: s.url, MaxConns: besideConns})
	if err != nil {
		return err
	}
	defer d.Close()
	dash, err := a.newDashboard(ctx, d, f)
	if err != nil {
		return err
	}
	fmt.Fprint(a.Err, dash.text())
	ctx, stop := context.WithCancel(ctx)
	var run conc.WaitGroup
	defer run.Wait()
	defer stop() // before waiting
	run.Go(func() {
		if err := dash.serve(ctx); err != nil {
			a.log.Error("the dashboard has ended", "error", err)
		}
	})
	return fn()
}
