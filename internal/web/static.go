package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static templates
var files embed.FS

// static serves our style sheet, scripts and icon. Each URL holds a hash of the
// content, so browsers may cache it for ever.
type static struct {
	content map[string][]byte // by file name
	hash    map[string]string
}

func readStatic() (static, error) {
	s := static{content: map[string][]byte{}, hash: map[string]string{}}
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return s, fmt.Errorf("error listing the pages' files: %w", err)
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return s, fmt.Errorf("error reading %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		base := path.Base(name)
		s.content[base], s.hash[base] = text, hex.EncodeToString(sum[:6])
	}
	return s, nil
}

// url returns a file's URL, such as /static/app.0123456789ab.css.
func (s static) url(name string) string {
	ext := path.Ext(name)
	return "/static/" + strings.TrimSuffix(name, ext) + "." + s.hash[name] + ext
}

func (s static) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	for base := range s.content {
		if s.url(base) != "/static/"+name {
			continue
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("ETag", `"`+s.hash[base]+`"`)
		http.ServeContent(w, r, base, time.Time{}, bytes.NewReader(s.content[base]))
		return
	}
	http.NotFound(w, r)
}
