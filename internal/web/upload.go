package web

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/pace"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

const (
	uploadPath = "/upload"

	shownProblems = 50   // problems shown of a CSV; the command line lists all
	maxField      = 1024 // bytes of a form field before the file
)

// longAllowance is how many uploads and downloads run at once. Each holds a database
// connection for its whole time, of the 6 that a dashboard has beside workers.
func longAllowance() allowance { return allowance{all: 4, look: 2, each: 2, eachLook: 1} }

// uploadForm is the upload page.
type uploadForm struct {
	Sites       []db.Site
	Site, Name  string
	Sheet       string // of a workbook
	SkipInvalid bool
	Force       bool
	Ambiguous   string
	Empty       string // the cell that empties an alt text
	LocaleNames string
	Max         int64
	Problem     string // why nothing was loaded
	Problems    []intake.Problem
	Columns     *columnsForm // a mapping is needed
	mapping     map[string]string
	More        int64 // problems not shown
}

func (s *Server) uploadPage(w http.ResponseWriter, r *http.Request) {
	s.renderUpload(w, r, http.StatusOK, uploadForm{Site: db.DefaultSite})
}

// sampleCSV shows the columns. Its assets are made up.
const sampleCSV = `asset_id,display_name,alt_text
65a1f2c3d4e5f60718293a4b,Spring collection 001.jpg,A bench under a cherry tree
65a1f2c3d4e5f60718293a4c,Spring collection 002.jpg,
`

func (s *Server) sample(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="sample.csv"`)
	_, _ = io.WriteString(w, sampleCSV) // the browser may be gone
}

func (s *Server) renderUpload(w http.ResponseWriter, r *http.Request, status int, f uploadForm) {
	var err error
	if f.Sites, err = s.realSites(r.Context()); err != nil {
		s.failed(w, r, err)
		return
	}
	f.Max = s.cfg.MaxUpload
	s.render(w, r, status, "upload", page{Title: "Load a CSV or Excel file", Nav: "upload", Data: f})
}

// busy limits long requests, so that they do not take all database connections.
func (s *Server) busy(w http.ResponseWriter, r *http.Request) (release func(), ok bool) {
	release, ok = s.long.take(current(r))
	if !ok {
		w.Header().Set("Retry-After", "10")
		s.fail(w, r, http.StatusServiceUnavailable, "Too many uploads or downloads are running: try again when one has ended.")
	}
	return release, ok
}

// upload streams a file into a plan. Memory does not grow with its size: a CSV is read
// as it comes, and a workbook from a temporary file, which is gone at the end.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	release, ok := s.busy(w, r)
	if !ok {
		return
	}
	defer release()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // the answer comes after the load, however long that takes
	r.Body = http.MaxBytesReader(w, pace.NewReader(w, r), s.cfg.MaxUpload)
	f, file, err := readForm(r)
	if err != nil {
		f.Problem = uploadProblem(err)
		s.renderUpload(w, r, http.StatusBadRequest, f)
		return
	}
	head := newHead(file)
	id, err := s.loadUpload(r, &f, head, file.FileName())
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		f.Problem = uploadProblem(err)
		if f.Columns = head.columns(err, f.mapping); f.Columns != nil && f.mapping == nil {
			f.Problem = "The file's columns have other names: say below which is which, and choose the file again."
		}
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
	if e := (*usecase.TooManyRowsError)(nil); errors.As(err, &e) {
		return err.Error() + "; load it with `relabel plan FILE`, or start the dashboard with a larger --max-rows"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("The upload stalled, or was slower than %s bytes a second: try again, or load the file with `relabel plan FILE`.", text.Number(pace.SlowestRate))
	}
	return problem(err)
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
		if !storable(string(text)) {
			return f, nil, errors.New(notStorable)
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
	case "sheet":
		f.Sheet = value
	case "skip_invalid":
		f.SkipInvalid = value != ""
	case "force":
		f.Force = value != ""
	case "ambiguous":
		f.Ambiguous = value
	case "empty":
		f.Empty = value
	case "names-in-locales":
		f.LocaleNames = value
	}
	if column, ok := strings.CutPrefix(name, mapField); ok && value != "" {
		if f.mapping == nil {
			f.mapping = map[string]string{}
		}
		f.mapping[column] = value
	}
}

func (s *Server) loadUpload(r *http.Request, f *uploadForm, file io.Reader, name string) (id int64, err error) {
	site, err := s.cfg.DB.SiteByName(r.Context(), f.Site)
	if err != nil {
		return 0, err
	}
	if err := usecase.CheckAmbiguous(f.Ambiguous); err != nil {
		return 0, err
	}
	name = intake.Clean(path.Base(strings.ReplaceAll(name, `\`, "/")))
	res, err := s.use.Load(r.Context(), actor(r), usecase.LoadParams{
		Site: site, Source: usecase.Source{Input: file, InputName: name, Sheet: f.Sheet, Map: intake.FormatMap(f.mapping), Empty: f.Empty},
		Name: f.Name, SkipInvalid: f.SkipInvalid, Force: f.Force, Planned: true, MaxRows: s.cfg.MaxRows,
		LocaleNames: f.LocaleNames, Ambiguous: f.Ambiguous, ReadNames: s.readNames(site),
		Notice:  func(err error) { current(r).addFlash(flash{Text: "About the file: " + problem(err) + "."}) },
		Problem: f.addProblem,
	})
	if err != nil {
		return 0, err
	}
	if why := s.firstCompare(site, res); why != "" {
		current(r).addFlash(flash{Text: why})
	}
	return res.BatchID, nil
}

// firstCompare compares a new plan with the site, or without a token with relabel's own
// record; then it says why.
func (s *Server) firstCompare(site db.Site, plan usecase.Loaded) (why string) {
	if _, err := s.use.Site(site); err != nil {
		s.compareRecord(plan.BatchID)
		return "The site was not read (" + err.Error() + "): the plan is compared with relabel's own record of what it sent."
	}
	s.compareLoaded(plan)
	return ""
}

func (f *uploadForm) addProblem(p intake.Problem) {
	if len(f.Problems) < shownProblems {
		f.Problems = append(f.Problems, p)
	} else {
		f.More++
	}
}
