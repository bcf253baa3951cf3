"""A service that greets, with health checks, metrics and structured logs."""

import os
import time

from flask import Blueprint, Flask, Response, g, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from log import logger

SERVICE = "acme-service"
QUIET_PATHS = {"/healthz", "/readyz", "/metrics"}
MAX_NAME_LENGTH = 100


def create_app() -> Flask:
    """Creates the application; each has metrics of its own, so that tests don't affect each other."""
    app = Flask(__name__)
    version = os.environ.get("VERSION", "dev")
    registry = CollectorRegistry()
    requests = Counter("http_requests", "Requests.", ["method", "route", "status"], registry=registry)
    duration = Histogram("http_request_duration_seconds", "Duration of requests.", ["method", "route"], registry=registry)

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.path in QUIET_PATHS:
            return response
        took = time.perf_counter() - g.started
        # The route, not the path: paths of callers would be labels without limit.
        route = request.url_rule.rule if request.url_rule else "unknown"
        requests.labels(request.method, route, response.status_code).inc()
        duration.labels(request.method, route).observe(took)
        logger.info(
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "seconds": round(took, 6),
                "trace": request.headers.get("traceparent", ""),
            },
        )
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> tuple[Response, int]:
        code = getattr(error, "code", 500)
        if not isinstance(code, int):
            code = 500
        if code >= 500:
            logger.exception("error")
        return jsonify(error=getattr(error, "name", "Internal Server Error")), code

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok", version=version)

    @app.get("/readyz")
    def readyz() -> Response:
        return jsonify(status="ready")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    api = Blueprint("api", __name__)

    @api.get("/", strict_slashes=False)
    def greet() -> tuple[Response, int] | Response:
        name = request.args.get("name", "World").strip() or "World"
        if len(name) > MAX_NAME_LENGTH:
            return jsonify(error=f"name is longer than {MAX_NAME_LENGTH} characters"), 400
        return jsonify(service=SERVICE, version=version, message=f"Hello, {name}!")

    # Load balancers keep the path under which they route to the service.
    app.register_blueprint(api, url_prefix=os.environ.get("BASE_PATH", "").rstrip("/") or None)
    return app
