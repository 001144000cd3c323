package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/load"
	"relabel/internal/text"
)

const (
	uploadPath = "/upload"

	shownProblems = 50   // problems shown of a CSV; the command line lists all
	maxField      = 1024 // bytes of a form field before the file

	// maxLong is how many uploads and downloads run at once. Each holds a database
	// connection for its whole time.
	maxLong = 3
)

// uploadForm is the upload page.
type uploadForm struct {
	Sites       []db.Site
	Site, Name  string
	SkipInvalid bool
	Force       bool
	Max         int64
	Problem     string // why nothing was loaded
	Problems    []intake.Problem
	More        int64 // problems not shown
}

func (s *Server) uploadPage(w http.ResponseWriter, r *http.Request) {
	s.renderUpload(w, r, http.StatusOK, uploadForm{Site: db.DefaultSite})
}

func (s *Server) renderUpload(w http.ResponseWriter, r *http.Request, status int, f uploadForm) {
	sites, err := s.cfg.DB.Sites(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	f.Sites = slices.DeleteFunc(sites, func(site db.Site) bool { return s.cfg.StandIn != nil && s.cfg.StandIn(site.Name) })
	f.Max = s.cfg.MaxUpload
	s.render(w, r, status, "upload", page{Title: "Load a CSV", Nav: "upload", Data: f})
}

// busy limits long requests, so that they do not take all database connections.
func (s *Server) busy(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	select {
	case s.long <- struct{}{}:
		return func() { <-s.long }, true
	default:
		w.Header().Set("Retry-After", "10")
		s.fail(w, r, http.StatusServiceUnavailable, "Too many uploads or downloads are running: try again when one has ended.")
		return nil, false
	}
}

// upload streams a CSV into a plan. It writes no file, and memory does not grow
// with the size of the CSV.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	release, ok := s.busy(w, r)
	if !ok {
		return
	}
	defer release()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // the answer comes after the load, however long that takes
	r.Body = http.MaxBytesReader(w, &slowReader{ReadCloser: r.Body, control: control}, s.cfg.MaxUpload)
	f, file, err := readForm(r)
	if err != nil {
		f.Problem = uploadProblem(err)
		s.renderUpload(w, r, http.StatusBadRequest, f)
		return
	}
	id, err := s.loadUpload(r, &f, file)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		f.Problem = uploadProblem(err)
		s.renderUpload(w, r, http.StatusUnprocessableEntity, f)
		return
	}
	http.Redirect(w, r, batchPath(id), http.StatusSeeOther)
}

func uploadProblem(err error) string {
	if e := (*http.MaxBytesError)(nil); errors.As(err, &e) {
		return fmt.Sprintf("The file is larger than %s MB: load it with `relabel plan FILE`, or start the dashboard with a larger --max-upload.",
			text.Number(e.Limit>>20))
	}
	// The command line's words name an option.
	return strings.Replace(err.Error(), "load the others with --skip-invalid", "tick “Load the good rows”", 1)
}

// readForm reads the fields before the file, which comes last.
func readForm(r *http.Request) (f uploadForm, file *multipart.Part, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return f, nil, fmt.Errorf("the form could not be read: %w", err)
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil, errors.New("no file was sent: choose one")
		}
		if err != nil {
			return f, nil, fmt.Errorf("the upload broke off: %w", err)
		}
		if part.FormName() == "file" {
			if part.FileName() == "" {
				return f, nil, errors.New("no file was sent: choose one")
			}
			return f, part, nil
		}
		text, err := io.ReadAll(io.LimitReader(part, maxField))
		if err != nil {
			return f, nil, fmt.Errorf("the upload broke off: %w", err)
		}
		f.set(part.FormName(), strings.TrimSpace(string(text)))
	}
}

func (f *uploadForm) set(name, value string) {
	switch name {
	case "site":
		f.Site = value
	case "name":
		f.Name = value
	case "skip_invalid":
		f.SkipInvalid = value != ""
	case "force":
		f.Force = value != ""
	}
}

func (s *Server) loadUpload(r *http.Request, f *uploadForm, file *multipart.Part) (id int64, err error) {
	site, err := s.cfg.DB.SiteByName(r.Context(), f.Site)
	if err != nil {
		return 0, err
	}
	name := intake.Clean(path.Base(strings.ReplaceAll(file.FileName(), `\`, "/")))
	entry := db.AuditEntry{Who: current(r).who, Via: "dashboard", Action: "upload", Subject: "site " + site.Name, Detail: text.Cut(name, 200)}
	err = s.cfg.DB.Audit(r.Context(), entry, func(ctx context.Context) (int64, error) {
		res, err := load.Load(ctx, load.Params{
			DB: s.cfg.DB, Client: s.cfg.Client, Site: site, Source: load.Source{Input: file, InputName: name},
			Name: f.Name, SkipInvalid: f.SkipInvalid, Force: f.Force, Planned: true,
			Locales: func(ctx context.Context) (intake.LocaleResolver, error) { return s.locales(ctx, site) },
			Primary: func(ctx context.Context, assets []string) (string, error) { return s.primary(ctx, site, assets) },
			Notice:  func(text string) { current(r).addFlash(flash{Text: "About the file: " + text + "."}) },
			Problem: f.addProblem,
		})
		if err != nil {
			return -1, err
		}
		id = res.BatchID
		b, err := s.cfg.DB.BatchStatus(ctx, id)
		return b.Total, err
	})
	if err == nil {
		s.firstCompare(r, site, id)
	}
	return id, err
}

// firstCompare compares a new plan with the site, or without a token with
// relabel's own record.
func (s *Server) firstCompare(r *http.Request, site db.Site, id int64) {
	if _, err := s.cfg.Site(site); err != nil {
		current(r).addFlash(flash{Text: "The site was not read (" + err.Error() + "): the plan is compared with relabel's own record of what it sent."})
		s.compareRecord(id)
		return
	}
	s.compare(site, id, false, nil)
}

func (f *uploadForm) addProblem(p intake.Problem) {
	if len(f.Problems) < shownProblems {
		f.Problems = append(f.Problems, p)
	} else {
		f.More++
	}
}

func (s *Server) primary(ctx context.Context, site db.Site, assets []string) (string, error) {
	reader, err := s.reader(ctx, site)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	return load.ReadPrimary(ctx, s.cfg.DB, reader, assets)
}

func (s *Server) locales(ctx context.Context, site db.Site) (intake.LocaleResolver, error) {
	reader, err := s.reader(ctx, site)
	if err != nil {
		return nil, fmt.Errorf("the column locale needs the site's locales: %w", err)
	}
	defer reader.Close()
	locales, err := load.ReadLocales(ctx, s.cfg.DB, reader)
	if err != nil {
		return nil, err
	}
	return locales.Resolve, nil
}
