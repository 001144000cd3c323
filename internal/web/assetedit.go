package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"relabel/internal/text"
	"relabel/internal/usecase"
)

var errNotEdited = errors.New("nothing was edited: change a name or an alt text first")

// assetEdit is what a person made of one asset on the page.
type assetEdit struct {
	ID              string
	WasName, WasAlt string // as the page showed it
	Name, Alt       string
}

func (e assetEdit) renamed() bool   { return oneLine(e.Name) != oneLine(e.WasName) }
func (e assetEdit) described() bool { return oneLine(e.Alt) != oneLine(e.WasAlt) }

// oneLine takes off the line breaks, which a field of a form takes off, too.
func oneLine(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }

// assetEdits reads the fields of the form: five lists with an entry for each asset.
func assetEdits(form url.Values) ([]assetEdit, error) {
	ids := form["id"]
	for _, field := range []string{"was-name", "name", "was-alt", "alt"} {
		if len(form[field]) != len(ids) {
			return nil, errors.New("the form is not complete: load the page again")
		}
	}
	var edits []assetEdit
	for i, id := range ids {
		e := assetEdit{ID: id, WasName: form["was-name"][i], Name: form["name"][i], WasAlt: form["was-alt"][i], Alt: form["alt"][i]}
		switch {
		case e.renamed() && strings.TrimSpace(e.Name) == "":
			return nil, fmt.Errorf("%q needs a name: an asset can't be without one", e.WasName)
		case e.renamed() || e.described():
			edits = append(edits, e)
		}
	}
	if len(edits) == 0 {
		return nil, errNotEdited
	}
	return edits, nil
}

// row is the row of the plan. It expects the name that the person saw, so that an asset
// that was renamed meanwhile is a conflict.
func (e assetEdit) row() plannedRow {
	out := plannedRow{ID: e.ID, Expected: e.WasName}
	if oneLine(e.WasName) != e.WasName { // the form has changed the line breaks
		out.Expected = ""
	}
	if e.renamed() {
		out.Name = e.Name
	}
	switch {
	case e.described() && strings.TrimSpace(e.Alt) == "":
		out.Alt = emptiedAlt
	case e.described():
		out.Alt = e.Alt
	}
	return out
}

// planEdits makes a plan of what was edited on the page of assets.
func (s *Server) planEdits(w http.ResponseWriter, r *http.Request) {
	site, ok := s.postedSite(w, r)
	if !ok {
		return
	}
	s.act(w, r, "plan edited assets", localPath(r.PostForm.Get("back")), func(ctx context.Context, by usecase.Actor) (done, error) {
		edits, err := assetEdits(r.PostForm)
		if err != nil {
			return done{}, err
		}
		rows := make([]plannedRow, len(edits))
		for i, e := range edits {
			rows[i] = e.row()
		}
		return s.planRows(ctx, by, site, text.Plural(int64(len(edits)), "edited asset", "edited assets"), rows)
	})
}
