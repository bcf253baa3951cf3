package main

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Upper bounds of the durations, in seconds, as Prometheus' clients have them.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// HTTP methods that become labels; any other text of a caller is "other".
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

type requestKey struct {
	method, route string
	status        int
}

type durationKey struct{ method, route string }

type durations struct {
	counts []uint64
	count  uint64
	sum    float64
}

// metrics counts requests and serves the counts in Prometheus' text format.
type metrics struct {
	mutex     sync.Mutex
	requests  map[requestKey]uint64
	durations map[durationKey]*durations
}

func newMetrics() *metrics {
	return &metrics{requests: map[requestKey]uint64{}, durations: map[durationKey]*durations{}}
}

func (m *metrics) observe(method, pattern string, status int, took time.Duration) {
	if !slices.Contains(methods, method) {
		method = "other"
	}
	_, route, found := strings.Cut(pattern, " ")
	if !found {
		route = "unknown"
	}
	route = strings.TrimSuffix(route, "{$}")
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.requests[requestKey{method, route, status}]++
	key := durationKey{method, route}
	histogram := m.durations[key]
	if histogram == nil {
		histogram = &durations{counts: make([]uint64, len(buckets))}
		m.durations[key] = histogram
	}
	seconds := took.Seconds()
	for index, bound := range buckets {
		if seconds <= bound {
			histogram.counts[index]++
		}
	}
	histogram.count++
	histogram.sum += seconds
}

func (m *metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = fmt.Fprint(w, m.text())
}

func (m *metrics) text() string {
	var out strings.Builder
	m.mutex.Lock()
	defer m.mutex.Unlock()
	out.WriteString("# HELP http_requests_total Requests.\n# TYPE http_requests_total counter\n")
	for _, key := range sortedKeys(m.requests, func(a, b requestKey) int {
		return cmp.Or(cmp.Compare(a.method, b.method), cmp.Compare(a.route, b.route), cmp.Compare(a.status, b.status))
	}) {
		fmt.Fprintf(&out, "http_requests_total{method=%q,route=%q,status=\"%d\"} %d\n", key.method, key.route, key.status, m.requests[key])
	}
	out.WriteString("# HELP http_request_duration_seconds Duration of requests.\n# TYPE http_request_duration_seconds histogram\n")
	for _, key := range sortedKeys(m.durations, func(a, b durationKey) int {
		return cmp.Or(cmp.Compare(a.method, b.method), cmp.Compare(a.route, b.route))
	}) {
		histogram := m.durations[key]
		labels := fmt.Sprintf("method=%q,route=%q", key.method, key.route)
		for index, bound := range buckets {
			fmt.Fprintf(&out, "http_request_duration_seconds_bucket{%s,le=\"%g\"} %d\n", labels, bound, histogram.counts[index])
		}
		fmt.Fprintf(&out, "http_request_duration_seconds_bucket{%s,le=\"+Inf\"} %d\n", labels, histogram.count)
		fmt.Fprintf(&out, "http_request_duration_seconds_sum{%s} %g\n", labels, histogram.sum)
		fmt.Fprintf(&out, "http_request_duration_seconds_count{%s} %d\n", labels, histogram.count)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Fprintf(&out, "# HELP go_goroutines Goroutines.\n# TYPE go_goroutines gauge\ngo_goroutines %d\n", runtime.NumGoroutine())
	fmt.Fprintf(&out, "# HELP go_memstats_heap_alloc_bytes Heap in use.\n# TYPE go_memstats_heap_alloc_bytes gauge\n")
	fmt.Fprintf(&out, "go_memstats_heap_alloc_bytes %d\n", memory.HeapAlloc)
	return out.String()
}

func sortedKeys[K comparable, V any](values map[K]V, compare func(a, b K) int) []K {
	keys := make([]K, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compare)
	return keys
}
