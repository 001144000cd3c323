package web

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"relabel/db"
	"relabel/internal/pace"
	"relabel/internal/records"
	"relabel/internal/report"
)

// assetsCSVPath is a POST, because many selected assets don't fit into an address.
const assetsCSVPath = assetsPath + "/file"

// assetsCSV downloads the selected assets, or without a selection all that match, as a file
// to edit and load.
func (s *Server) assetsCSV(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	query, _ := url.ParseQuery(r.PostForm.Get("query")) // of our own form; a strange one has no fields
	form := assetFormOf(query)
	site, err := s.realSite(r.Context(), form.Site)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	filter, err := form.filter(site.ID)
	if err != nil || !storableForm(query) {
		s.fail(w, r, http.StatusBadRequest, "The filter is not right: load the page of assets again.")
		return
	}
	release, ok := s.busy(w, r)
	if !ok {
		return
	}
	defer release()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="assets.csv"`)
	out := pace.NewWriter(w)
	if _, err := report.WriteStates(out, report.FormatCSV, s.chosen(r.Context(), filter, r.PostForm["select"])); err != nil {
		s.cfg.Logger.Warn("a download of assets was cut short", "site", site.Name, "error", err)
		panic(http.ErrAbortHandler) // so that the browser reports an incomplete download
	}
}

// chosen are the selected assets, or without a selection all that match.
func (s *Server) chosen(ctx context.Context, f records.AssetFilter, selected []string) iter.Seq2[db.AssetState, error] {
	return func(yield func(db.AssetState, error) bool) {
		list := records.EachAsset(ctx, s.cfg.DB, f)
		if len(selected) > 0 {
			list = s.selected(ctx, f.SiteID, selected)
		}
		for a, err := range list {
			if !yield(stateOf(a), err) || err != nil {
				return
			}
		}
	}
}

func (s *Server) selected(ctx context.Context, siteID int, ids []string) iter.Seq2[records.Asset, error] {
	return func(yield func(records.Asset, error) bool) {
		list, err := records.AssetsByID(ctx, s.cfg.DB, siteID, ids)
		if err != nil {
			yield(records.Asset{}, err)
			return
		}
		for _, a := range list {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func stateOf(a records.Asset) db.AssetState {
	return db.AssetState{
		AssetID: a.AssetID, DisplayName: a.DisplayName, AltText: a.AltText, OriginalFileName: a.OriginalFileName,
		ContentType: a.ContentType, Size: a.Size, HostedURL: a.HostedURL, Folder: a.Folder,
	}
}
