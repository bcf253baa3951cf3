"""Settings of gunicorn."""

import os

from log import CONFIG

bind = f"0.0.0.0:{os.environ.get('PORT', '8080')}"
# One process has one set of metrics. More replicas give more throughput.
workers = 1
threads = int(os.environ.get("THREADS", "8"))
worker_class = "gthread"
# In memory: the file system is read-only.
worker_tmp_dir = "/dev/shm"
control_socket_disable = True
# Requests in progress have this long to end after SIGTERM; less than the pod's terminationGracePeriodSeconds.
graceful_timeout = 25
timeout = 30
# Longer than the idle timeout of the load balancer (60 s), so that no request meets a closed connection.
keepalive = 75
# The application logs each request.
accesslog = None
logconfig_dict = CONFIG
