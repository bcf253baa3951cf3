package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newTestApp(basePath string) (*app, *bytes.Buffer) {
	var log bytes.Buffer
	return newApp(slog.New(slog.NewJSONHandler(&log, nil)), basePath), &log
}

func get(handler http.Handler, method, path string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
	return recorder
}

func TestServesItsNameAndVersion(t *testing.T) {
	app, _ := newTestApp("")
	answer := get(app.handler(), "GET", "/")
	var body map[string]string
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if answer.Code != http.StatusOK || body["service"] != service || body["version"] != "dev" {
		t.Fatalf("%d %v", answer.Code, body)
	}
}

func TestServesBelowItsBasePath(t *testing.T) {
	app, _ := newTestApp("/orders/")
	handler := app.handler()
	for path, code := range map[string]int{"/orders": 200, "/orders/": 200, "/orders/x": 404, "/": 404, "/healthz": 200} {
		if answer := get(handler, "GET", path); answer.Code != code {
			t.Errorf("%s answers %d, not %d", path, answer.Code, code)
		}
	}
}

func TestIsReadyUntilItStops(t *testing.T) {
	app, _ := newTestApp("")
	if code := get(app.handler(), "GET", "/readyz").Code; code != http.StatusServiceUnavailable {
		t.Fatal(code)
	}
	app.ready.Store(true)
	if code := get(app.handler(), "GET", "/readyz").Code; code != http.StatusOK {
		t.Fatal(code)
	}
}

func TestCountsRequestsByRoute(t *testing.T) {
	app, log := newTestApp("")
	handler := app.handler()
	get(handler, "GET", "/")
	get(handler, "GET", "/no-such-page")
	get(handler, "BREW", "/")
	text := get(handler, "GET", "/metrics").Body.String()
	for _, line := range []string{
		`http_requests_total{method="GET",route="/",status="200"} 1`,
		`http_requests_total{method="GET",route="unknown",status="404"} 1`,
		`http_requests_total{method="other",route="unknown",status="404"} 1`,
		`http_request_duration_seconds_bucket{method="GET",route="/",le="+Inf"} 1`,
		`http_request_duration_seconds_count{method="GET",route="/"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%s is not in\n%s", line, text)
		}
	}
	if strings.Contains(text, "no-such-page") {
		t.Error("a path of a caller is a label")
	}
	var first map[string]any
	line, _, _ := strings.Cut(log.String(), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil || first["path"] != "/" || first["status"] != 200.0 {
		t.Errorf("%v %s", err, line)
	}
}

func TestHidesPanics(t *testing.T) {
	app, log := newTestApp("")
	handler := app.observed(func(http.ResponseWriter, *http.Request) { panic("password=1234") })
	answer := get(handler, "GET", "/")
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "1234") {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if !strings.Contains(log.String(), `"msg":"panic"`) {
		t.Fatal(log.String())
	}
}

func TestFinishesRequestsBeforeItStops(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, slog.New(slog.NewJSONHandler(io.Discard, nil)), listener, time.Second, "") }()
	for checkHealth(port) != nil {
		time.Sleep(time.Millisecond)
	}
	stop()
	// It still answers, but is not ready.
	for {
		answer, err := http.Get("http://127.0.0.1:" + port + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusServiceUnavailable {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if checkHealth(port) == nil {
		t.Fatal("it still answers")
	}
}
