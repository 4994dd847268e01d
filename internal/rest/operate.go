package rest

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"time"
)

// readyTimeout bounds how long /readyz waits for the parts.
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
	answer := readiness{Status: "ok", Parts: map[string]string{"server": "ok"}}
	if a.draining.Load() {
		answer.Parts["server"] = "shutting down"
	}
	parts, err := a.config.Ready(ctx)
	maps.Copy(answer.Parts, parts)
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "not ready", RequestID(ctx), slog.Any("error", err))
	}
	status := http.StatusOK
	for _, state := range answer.Parts {
		if state != "ok" {
			status, answer.Status = http.StatusServiceUnavailable, "unavailable"
		}
	}
	writeJSON(w, status, answer)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client has gone when this fails
}

//go:embed docs.html
var docsPage string

// Document adds the OpenAPI document of the operations registered so far, and a page that shows it without any script.
func (a *API) Document() error {
	document, err := json.Marshal(a.Huma.OpenAPI())
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
