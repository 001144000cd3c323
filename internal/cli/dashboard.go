package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/sourcegraph/conc"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/rehearsal"
	"relabel/internal/web"
	"relabel/jobs"
)

// dashboard listens but does not answer yet; serve does.
type dashboard struct {
	server   *web.Server
	listener net.Listener
	cert     *tls.Certificate
	url      string
	links    bool
}

// newDashboard opens the port and reads all files, so that any problem shows at once.
func (a *app) newDashboard(ctx context.Context, d *db.DB, f serveFlags) (*dashboard, error) {
	out := &dashboard{links: f.password == "" && !f.noLinks()}
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
		return nil, fmt.Errorf("the dashboard can't listen on %s: %w; choose another address with --listen", f.listen, err)
	}
	_, port, _ := net.SplitHostPort(out.listener.Addr().String())
	out.url = dashboardURL(f, port)
	out.server, err = web.New(web.Config{
		DB: d, Client: client, Version: Version(), Logger: a.log,
		Password: f.password, ReadOnlyPassword: f.lookPW, ReadPasswords: f.readPasswords,
		Users: f.people.users, NoLinks: f.noLinks(), Proxy: f.people.proxy,
		LinkUsed: func(r web.Role, from string) {
			fmt.Fprintf(a.Err, "a browser at %s has logged in to %s; the next link: %s\n", from, r, out.link(r))
		},
		Hosts: f.hosts, Secure: out.cert != nil || f.behindProxy, BehindProxy: f.behindProxy, Proxies: f.xForwardedFor(), Port: port,
		MaxUpload: int64(f.maxUpload) << 20, MaxRows: f.maxRows, Site: a.realSite, StandIn: rehearsal.IsStandIn, CallTimeout: a.cfg.CallTimeout,
		Settings: a.cfg, Schedules: a.sources(),
	})
	if err != nil {
		_ = out.listener.Close()
		return nil, err
	}
	return out, nil
}

// dashboardURL is the address for a browser: by the first --allow-host, else on this
// machine.
func dashboardURL(f serveFlags, port string) string {
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

// text is the address, and the links that log in.
func (d *dashboard) text() string {
	if !d.links {
		return "the dashboard is at " + d.url + "\n"
	}
	return strings.Join([]string{
		"the dashboard is at " + d.url + "; each of these links logs in one browser:",
		"  full access: " + d.link(web.RoleChange),
		"  read-only:   " + d.link(web.RoleLook), "",
	}, "\n")
}

// whereJSON is the same for --json.
type whereJSON struct {
	URL        string  `json:"url"`
	ChangeLink *string `json:"change_link"` // null: people log in otherwise
	LookLink   *string `json:"look_link"`
}

func (d *dashboard) where() whereJSON {
	if !d.links {
		return whereJSON{URL: d.url}
	}
	change, look := d.link(web.RoleChange), d.link(web.RoleLook)
	return whereJSON{URL: d.url, ChangeLink: &change, LookLink: &look}
}

func (d *dashboard) serve(ctx context.Context) error { return d.server.Serve(ctx, d.listener, d.cert) }

// dashboardConns is how many connections a dashboard beside workers has. The workers
// keep their own.
const dashboardConns = 6

// withDashboard runs fn, and the dashboard as long as fn runs.
func (a *app) withDashboard(ctx context.Context, s *session, f serveFlags, fn func() error) error {
	if f.listen == "" {
		return fn()
	}
	d, err := db.Open(ctx, pg.Config{URL: s.url, MaxConns: dashboardConns})
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
			a.log.Error("the dashboard has stopped", "error", err)
		}
	})
	return fn()
}
