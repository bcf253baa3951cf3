package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// app holds what its requests share.
type app struct {
	logger   *slog.Logger
	basePath string
	metrics  *metrics
	ready    atomic.Bool
}

func newApp(logger *slog.Logger, basePath string) *app {
	return &app{logger: logger, basePath: strings.TrimRight(basePath, "/"), metrics: newMetrics()}
}

// handler returns all routes.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": version})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if a.ready.Load() {
			writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
		} else {
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
		}
	})
	mux.Handle("GET /metrics", a.metrics)
	// Load balancers keep the path under which they route to the service.
	mux.Handle("GET "+a.basePath+"/{$}", a.observed(a.index))
	if a.basePath != "" {
		mux.Handle("GET "+a.basePath, a.observed(a.index))
	}
	mux.Handle("/", a.observed(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "Not Found"})
	}))
	return mux
}

func (a *app) index(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"service": service, "version": version, "message": "Hello from " + service + "!"})
}

// observed logs and counts requests, and answers a panic with an error.
func (a *app) observed(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			if failure := recover(); failure != nil {
				a.logger.Error("panic", "error", failure, "path", r.URL.Path)
				if !recorder.written {
					writeJSON(recorder, http.StatusInternalServerError, map[string]string{"error": "Internal Server Error"})
				}
			}
			took := time.Since(started)
			// The route, not the path: paths of callers would be labels without limit.
			a.metrics.observe(r.Method, r.Pattern, recorder.status, took)
			a.logger.Info("request", "method", r.Method, "path", r.URL.Path, "status", recorder.status,
				"seconds", took.Seconds(), "trace", r.Header.Get("traceparent"))
		}()
		next(recorder, r)
	})
}

type statusRecorder struct {
	http.ResponseWriter
	status  int
	written bool
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.written = true
	r.ResponseWriter.WriteHeader(status)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The caller is gone if this fails.
	_ = json.NewEncoder(w).Encode(value)
}
