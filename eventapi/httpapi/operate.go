package httpapi

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"
)

// readyTimeout bounds how long /readyz waits for the database.
const readyTimeout = 2 * time.Second

func healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readiness names each part that requests need and what is wrong with it, or "ok".
type readiness struct {
	Status string            `json:"status"`
	Parts  map[string]string `json:"parts"`
}

func (a *API) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	answer := readiness{Status: "ok", Parts: map[string]string{"server": "ok", "database": "ok", "schema": "ok"}}
	status := http.StatusOK
	fail := func(part, reason string) {
		status, answer.Status, answer.Parts[part] = http.StatusServiceUnavailable, "unavailable", reason
	}
	if a.draining.Load() {
		fail("server", "shutting down")
	}
	database, schema := a.store.Check(ctx)
	if database != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "not ready", requestID(ctx), slog.Any("error", database))
		fail("database", "does not answer")
		fail("schema", "unknown")
	}
	if schema != nil {
		fail("schema", schema.Error())
	}
	writeJSON(w, status, answer)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client has gone when this fails
}

//go:embed docs.html
var docsPage string

// serveDocuments adds the OpenAPI document and a page that shows it without any script.
func (a *API) serveDocuments() error {
	document, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	page, err := renderDocs(document)
	if err != nil {
		return err
	}
	a.router.Get("/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(document) // the client has gone when this fails
	})
	a.router.Get("/docs", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
		_, _ = w.Write(page) // the client has gone when this fails
	})
	return nil
}

func renderDocs(document []byte) ([]byte, error) {
	var content map[string]any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // limits are shown as they are written
	if err := decoder.Decode(&content); err != nil {
		return nil, fmt.Errorf("decode the OpenAPI document: %w", err)
	}
	parsed, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, fmt.Errorf("parse the documentation page: %w", err)
	}
	var page bytes.Buffer
	if err := parsed.Execute(&page, content); err != nil {
		return nil, fmt.Errorf("render the documentation page: %w", err)
	}
	return page.Bytes(), nil
}
