// Package web is the pages of eventsearch, embedded in the program: plain files, without a build step.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"
)

//go:embed assets
var embedded embed.FS

// securityPolicy lets a page have nothing but what this program serves. The colour of a style attribute is no danger.
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// mediaTypes are those of the files; the ones that the machine knows may differ.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".json": "application/json", ".svg": "image/svg+xml", ".md": "text/markdown; charset=utf-8",
}

// Pages serves the files.
type Pages struct{ files map[string]file }

type file struct {
	content   []byte
	mediaType string
	tag       string // an ETag
}

// New reads the files.
func New() (*Pages, error) {
	p := &Pages{files: map[string]file{}}
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		if err != nil {
			return err //nolint:wrapcheck // says which file
		}
		mediaType := mediaTypes[path.Ext(name)]
		if mediaType == "" {
			mediaType = "text/plain; charset=utf-8"
		}
		sum := sha256.Sum256(content)
		const enough = 12
		p.files[strings.TrimPrefix(name, "assets/")] = file{content, mediaType, `"` + hex.EncodeToString(sum[:enough]) + `"`}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the pages: %w", err)
	}
	return p, nil
}

// Mount adds the pages and what they are made of to a router.
func (p *Pages) Mount(router chi.Router) {
	router.Get("/", func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, "search.html") })
	router.Get("/assets/*", func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, chi.URLParam(r, "*")) })
}

// MountPipeline adds the pipeline page.
func (p *Pages) MountPipeline(router chi.Router) {
	router.Get("/pipeline", func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, "pipeline.html") })
}

// serve lets browsers keep a file, and has them ask each time whether it is still the same: then an update of the program
// never leaves half of an old page in use.
func (p *Pages) serve(w http.ResponseWriter, r *http.Request, name string) {
	found, ok := p.files[name]
	if !ok {
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	header := w.Header()
	header.Set("Content-Type", found.mediaType)
	header.Set("Content-Security-Policy", securityPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", found.tag)
	if r.Header.Get("If-None-Match") == found.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(found.content) // the browser has gone when this fails
}
