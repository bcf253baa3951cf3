import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from app import create_app
from log import JsonFormatter

ROOT = Path(__file__).parent.parent


@pytest.fixture
def client():
    return create_app().test_client()


def test_greets_by_name(client):
    assert client.get("/").get_json()["message"] == "Hello, World!"
    assert client.get("/?name=Ada").get_json()["message"] == "Hello, Ada!"


def test_refuses_a_long_name(client):
    assert client.get("/?name=" + "a" * 101).status_code == 400


def test_serves_below_its_base_path(monkeypatch):
    monkeypatch.setenv("BASE_PATH", "/greet")
    client = create_app().test_client()
    assert client.get("/greet").status_code == 200
    assert client.get("/greet/").status_code == 200
    assert client.get("/").status_code == 404
    assert client.get("/healthz").status_code == 200


def test_reports_health_with_its_version(monkeypatch):
    monkeypatch.setenv("VERSION", "1.2.3")
    client = create_app().test_client()
    assert client.get("/healthz").get_json() == {"status": "ok", "version": "1.2.3"}
    assert client.get("/readyz").status_code == 200


def test_counts_requests_by_route(client):
    client.get("/")
    client.get("/no-such-page")
    client.post("/")
    text = client.get("/metrics").get_data(as_text=True)
    assert 'http_requests_total{method="GET",route="/",status="200"} 1.0' in text
    assert 'route="unknown",status="404"} 1.0' in text
    assert 'status="405"} 1.0' in text
    assert "no-such-page" not in text
    assert 'http_request_duration_seconds_count{method="GET",route="/"} 1.0' in text


def test_hides_errors(client, monkeypatch):
    app = create_app()

    @app.get("/broken")
    def broken():
        raise RuntimeError("password=1234")

    response = app.test_client().get("/broken")
    assert response.status_code == 500
    assert "1234" not in response.get_data(as_text=True)


def test_logs_json():
    record = logging.makeLogRecord({"msg": 'a "quoted"\nline', "levelname": "INFO", "name": "x", "status": 200})
    line = JsonFormatter().format(record)
    assert "\n" not in line
    fields = json.loads(line)
    assert fields["message"] == 'a "quoted"\nline'
    assert fields["status"] == 200


def test_finishes_requests_after_sigterm():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PORT": str(port)}
    command = [sys.executable, "-m", "gunicorn", "app:create_app()"]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1)
                break
            except OSError:
                time.sleep(0.05)
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/?name=Ada", timeout=5)
        assert json.load(answer)["message"] == "Hello, Ada!"
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=30)
    finally:
        server.kill()
    assert server.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert any(line.get("path") == "/" and line["status"] == 200 for line in lines)
