package standin

import "time"

// folder is a folder of the site's assets.
type folder struct {
	id, name, parent string // parent is empty at the root
	created          time.Time
}

// AddFolder makes a folder below another one ("" for the root). Webflow's API can make
// folders too, but relabel does not.
func (s *Server) AddFolder(id, name, parentID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.folders = append(s.state.folders, &folder{id, name, parentID, s.now()})
}

// MoveAsset puts an asset into a folder ("" for the root), as a person does in the
// Designer: the API has no call for it.
func (s *Server) MoveAsset(id, folderID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.state.assets[id]; a != nil {
		a.folder = folderID
	}
}

func (st *state) folder(id string) *folder {
	for _, f := range st.folders {
		if f.id == id {
			return f
		}
	}
	return nil
}

// below lists the assets of a folder and of all folders below it.
func (st *state) below(id string) (assets []string) {
	for _, a := range st.order {
		if st.isBelow(st.assets[a].folder, id) {
			assets = append(assets, a)
		}
	}
	return assets
}

// isBelow bounds its steps, as a test may make folders that hold each other.
func (st *state) isBelow(id, above string) bool {
	for range len(st.folders) {
		if id == above {
			return true
		}
		f := st.folder(id)
		if f == nil {
			return false
		}
		id = f.parent
	}
	return false
}

// folderBody is a folder as List Asset Folders answers it.
type folderBody struct {
	ID           string    `json:"id"`
	DisplayName  string    `json:"displayName"`
	ParentFolder *string   `json:"parentFolder"`
	Assets       []string  `json:"assets"`
	SiteID       string    `json:"siteId"`
	CreatedOn    time.Time `json:"createdOn"`
	LastUpdated  time.Time `json:"lastUpdated"`
}

type folderPageBody struct {
	AssetFolders []folderBody `json:"assetFolders"`
	Pagination   pagination   `json:"pagination"`
}

func (s *Server) listFolders(q *request) reply {
	page, bad := s.page(q)
	if bad != nil {
		return *bad
	}
	ids := make([]string, len(s.state.folders))
	for i, f := range s.state.folders {
		ids[i] = f.id
	}
	body := folderPageBody{AssetFolders: []folderBody{}}
	for _, id := range page.of(ids) {
		body.AssetFolders = append(body.AssetFolders, s.folderBody(s.state.folder(id)))
	}
	body.Pagination = page
	return jsonReply(body)
}

func (s *Server) folderBody(f *folder) folderBody {
	created := f.created.UTC().Truncate(time.Millisecond)
	body := folderBody{
		ID: f.id, DisplayName: f.name, ParentFolder: null(f.parent), Assets: []string{},
		SiteID: s.state.siteID, CreatedOn: created, LastUpdated: created,
	}
	for _, id := range s.state.order {
		if s.state.assets[id].folder == f.id {
			body.Assets = append(body.Assets, id)
		}
	}
	return body
}

// null makes null of the empty string.
func null(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}
