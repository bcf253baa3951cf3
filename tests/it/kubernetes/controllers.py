"""Controllers of a cluster without nodes: pods run, custom resources are ready, and Argo CD has synced.

Arguments: the URL of the API and a token. Ends with its standard input.
"""

import http.client
import json
import ssl
import sys
import threading
import time
import urllib.parse

URL, TOKEN = urllib.parse.urlparse(sys.argv[1]), sys.argv[2]
READY = {"status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
SYNCED = {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}, "operationState": {"phase": "Succeeded"}}
# Types of the conditions that acme waits for.
CONDITIONS = {"Elasticsearch": "ElasticsearchIsReachable"}
# Groups of the kinds of the API server itself, which the kinds of later versions are in.
BUILT_IN = {"autoscaling", "batch", "policy"}

connection = http.client.HTTPSConnection(URL.hostname, URL.port, context=ssl._create_unverified_context())


def call(method, path, body=None):
    """The answer; None if there is none, for example because the object is gone."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/merge-patch+json"}
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        data = answer.read()
        return json.loads(data) if answer.status < 300 else None
    except (OSError, http.client.HTTPException):
        connection.close()
        return None


def items(path):
    return (call("GET", path) or {}).get("items", [])


def run_pods():
    for pod in items("/api/v1/pods"):
        owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])}
        phase = "Succeeded" if "Job" in owners else "Running"
        if pod.get("status", {}).get("phase") == phase or "deletionTimestamp" in pod["metadata"]:
            continue
        status = {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}
        call("PATCH", f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status", {"status": status})


def status_of(kind, generation):
    if kind == "Application":
        return SYNCED
    if kind == "Rollout":
        return {"phase": "Healthy", "observedGeneration": str(generation)}
    return {"conditions": [{**READY, "type": CONDITIONS.get(kind, "Ready")}]}


def serve_kinds():
    for definition in items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions"):
        spec = definition["spec"]
        if spec["group"] in BUILT_IN:
            continue
        base = f"/apis/{spec['group']}/{spec['versions'][0]['name']}"
        for one in items(f"{base}/{spec['names']['plural']}"):
            metadata = one["metadata"]
            wanted = status_of(spec["names"]["kind"], metadata.get("generation"))
            if wanted.items() <= one.get("status", {}).items():
                continue
            place = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
            has_status = "status" in spec["versions"][0].get("subresources", {})
            path = f"{base}{place}/{spec['names']['plural']}/{metadata['name']}{'/status' if has_status else ''}"
            call("PATCH", path, {"status": wanted})


def end_with_input():
    sys.stdin.read()
    ended.set()


ended = threading.Event()
threading.Thread(target=end_with_input, daemon=True).start()
while not ended.is_set():
    run_pods()
    serve_kinds()
    time.sleep(0.3)
