#!/usr/bin/env python3
"""Helm, with a chart of its own in place of each chart of a registry, which the tests can't reach.

Such a chart has the name and version of the other one. It installs the kinds of its component, in the folder `crds`, and a Deployment and a
ConfigMap with the values. A chart in a folder, which is that of services, is installed as it is, with the versions of kinds that the API of the tests,
Kubernetes 1.20, has.

CHARTS_HELM is the path of Helm, CHARTS_FOLDER a folder for the charts, and CHARTS_SCHEMAS the files with the schemas of the kinds.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

# Kinds of each chart, with their plurals and scopes.
KINDS = {
    "argo-cd": [("argoproj.io", "Application"), ("argoproj.io", "AppProject")],
    "argo-rollouts": [("argoproj.io", "AnalysisTemplate"), ("argoproj.io", "Rollout")],
    "aws-load-balancer-controller": [("elbv2.k8s.aws", "TargetGroupBinding")],
    "base": [("networking.istio.io", None), ("security.istio.io", None), ("telemetry.istio.io", None)],
    "cert-manager": [("cert-manager.io", None)],
    "cloudnative-pg": [("postgresql.cnpg.io", None)],
    "eck-operator": [("elasticsearch.k8s.elastic.co", None), ("kibana.k8s.elastic.co", None)],
    "external-secrets": [("external-secrets.io", None)],
    "karpenter-crd": [("karpenter.k8s.aws", None), ("karpenter.sh", None)],
    "nginx-ingress": [("k8s.nginx.org", None)],
    "plugin-barman-cloud": [("barmancloud.cnpg.io", None)],
    "prometheus-operator-crds": [("monitoring.coreos.com", None)],
    "secrets-store-csi-driver-provider-aws": [("secrets-store.csi.x-k8s.io", None)],
}
CLUSTER_SCOPED = {"ClusterIssuer", "ClusterSecretStore", "EC2NodeClass", "NodePool"}

# Versions of kinds in Kubernetes 1.20 with the same fields.
EARLIER = {"policy/v1": "policy/v1beta1", "autoscaling/v2": "autoscaling/v2beta2", "batch/v1": "batch/v1beta1"}
# Fields of charts that it does not know, each in a line of its own.
LATER = ["unhealthyPodEvictionPolicy:", "lifecycle: { preStop: { sleep:", "timeZone:"]
RULES = {"x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-validations"}

TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: { name: {{ .Release.Name }}-values }
data: { values: {{ .Values | toJson | quote }} }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }} }
spec:
  selector: { matchLabels: { release: {{ .Release.Name }} } }
  template:
    metadata: { labels: { release: {{ .Release.Name }} } }
    spec:
      securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: {{ .Chart.Name }}
          image: example.com/{{ .Chart.Name }}:{{ .Chart.Version }}
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
"""


def plural(kind):
    lower = kind.lower()
    return lower[:-1] + "ies" if lower.endswith("y") else lower + ("es" if lower.endswith(("s", "ss", "ch")) else "s")


def plain(schema):
    """The schema without rules, which Kubernetes 1.20 doesn't know, and keys of lists, which it requires to have defaults."""
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: plain(value) for key, value in schema.items() if key not in RULES}


def definitions(chart):
    """Definitions of the kinds that a chart installs."""
    wanted = KINDS.get(chart, [])
    found = []
    for file in os.environ["CHARTS_SCHEMAS"].split(os.pathsep):
        text = Path(file).read_text(encoding="utf-8")
        if file.endswith(".jsonl"):
            for definition in map(json.loads, text.splitlines()):
                if (definition["spec"]["group"], definition["spec"]["names"]["kind"]) in wanted:
                    found.append(definition)
            continue
        for name, schema in json.loads(text).items():
            group, version, kind = name.split("/")
            if (group, kind) not in wanted and (group, None) not in wanted:
                continue
            scope = "Cluster" if kind in CLUSTER_SCOPED else "Namespaced"
            names = {"kind": kind, "listKind": f"{kind}List", "plural": plural(kind), "singular": kind.lower()}
            schema = {**plain(schema), "properties": {**plain(schema["properties"]), "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
            version = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
            found.append(
                {
                    "apiVersion": "apiextensions.k8s.io/v1",
                    "kind": "CustomResourceDefinition",
                    "metadata": {"name": f"{plural(kind)}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved"}},
                    "spec": {"group": group, "names": names, "scope": scope, "versions": [version]},
                }
            )
    return found


def stub(chart, version):
    """Folder of the chart in place of another one."""
    folder = Path(os.environ["CHARTS_FOLDER"]) / f"{chart}-{version}-{os.getpid()}"
    (folder / "templates").mkdir(parents=True)
    (folder / "crds").mkdir()
    about = {"apiVersion": "v2", "name": chart, "version": version, "appVersion": version}
    (folder / "Chart.yaml").write_text(json.dumps(about), encoding="utf-8")
    (folder / "templates/all.yaml").write_text(TEMPLATE, encoding="utf-8")
    for definition in definitions(chart):
        (folder / "crds" / f"{definition['metadata']['name']}.json").write_text(json.dumps(definition), encoding="utf-8")
    return str(folder)


def earlier(chart):
    """Copy of a chart with the versions of kinds that Kubernetes 1.20 has."""
    folder = Path(os.environ["CHARTS_FOLDER"]) / f"copy-{os.getpid()}"
    shutil.copytree(chart, folder)
    for file in filter(Path.is_file, (folder / "templates").rglob("*")):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not any(field in line for field in LATER)]
        version = re.compile("apiVersion: (.*)")
        lines = [version.sub(lambda found: f"apiVersion: {EARLIER.get(found[1], found[1])}", line) for line in lines]
        # Ports are merged by a key whose default its server-side apply does not know.
        lines = [re.sub(r"- \{ name: (\w+), (port|containerPort):", r"- { protocol: TCP, name: \1, \2:", line) for line in lines]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)


def main():
    arguments = sys.argv[1:]
    if "--version" in arguments:
        at = arguments.index("--version")
        chart, version = arguments[at - 1], arguments[at + 1]
        if os.path.isdir(chart):
            arguments[at - 1] = earlier(chart)
        else:
            arguments[at - 1] = stub(chart.rsplit("/", 1)[-1], version)
            if "--repo" in arguments:
                repository = arguments.index("--repo")
                del arguments[repository : repository + 2]
    helm = os.environ["CHARTS_HELM"]
    os.execv(helm, [helm, *arguments])


main()
