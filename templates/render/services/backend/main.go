// Command acme-service serves an HTTP API with health checks, metrics and structured logs.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const service = "acme-service"

// version is set by the linker.
var version = "dev"

func main() {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	// The image has no shell or curl to check the health of a container.
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		if err := checkHealth(port()); err != nil {
			logger.Error("unhealthy", "error", err.Error())
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := net.Listen("tcp", ":"+port())
	if err == nil {
		err = run(ctx, logger, listener, drainTime(), os.Getenv("BASE_PATH"))
	}
	if err != nil {
		logger.Error("stopped", "error", err.Error())
		os.Exit(1)
	}
}

// run serves until the context ends. Then it reports itself as not ready, waits until load balancers have noticed, and finishes requests.
func run(ctx context.Context, logger *slog.Logger, listener net.Listener, drain time.Duration, basePath string) error {
	app := newApp(logger, basePath)
	server := &http.Server{
		Handler:           app.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		// Longer than the idle timeout of the load balancer (60 s), so that no request meets a closed connection.
		IdleTimeout: 75 * time.Second,
		ErrorLog:    slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	app.ready.Store(true)
	logger.Info("listening", "address", listener.Addr().String(), "version", version)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	app.ready.Store(false)
	logger.Info("stopping")
	time.Sleep(drain)
	// With the time to drain, less than the pod's terminationGracePeriodSeconds.
	deadline, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return fmt.Errorf("requests did not end in time: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func port() string {
	if port := os.Getenv("PORT"); port != "" {
		return port
	}
	return "8080"
}

func drainTime() time.Duration {
	if drain, err := time.ParseDuration(os.Getenv("DRAIN")); err == nil {
		return drain
	}
	return 5 * time.Second
}

func checkHealth(port string) error {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get("http://127.0.0.1:" + port + "/healthz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
