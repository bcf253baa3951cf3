{{- define "service.selector" -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end }}

{{- define "service.labels" -}}
{{ include "service.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "service.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "service.podSecurity" -}}
runAsNonRoot: true
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Labels and annotations of pods, without the version of the chart, whose change would restart them. Argument: { root, track }. */}}
{{- define "service.podMetadata" -}}
{{- $ := .root -}}
labels:
  {{- include "service.selector" $ | nindent 2 }}
  app.kubernetes.io/instance: {{ $.Release.Name }}
  acme/track: {{ .track }}
  {{- if $.Values.mesh }}
  sidecar.istio.io/inject: "true"
  {{- end }}
{{- if and $.Values.mesh $.Values.metrics }}
# The proxy adds the metrics of the service to its own.
annotations:
  prometheus.io/scrape: "true"
  prometheus.io/path: {{ $.Values.metrics.path | quote }}
  prometheus.io/port: {{ $.Values.metrics.port | quote }}
{{- end }}
{{- end }}

{{/* Spec of pods without the restart policy. Argument: { root, track, image }. */}}
{{- define "service.podSpec" -}}
{{- $ := .root -}}
{{- $values := $.Values -}}
serviceAccountName: {{ $.Release.Name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "service.podSecurity" $ | nindent 2 }}
{{- if and $values.edge (not $values.schedule) }}
{{- if $values.edge.readinessGate }}
# The AWS Load Balancer Controller sets the condition of pods that are healthy targets.
readinessGates:
  - conditionType: target-health.elbv2.k8s.aws/{{ $.Release.Name }}
{{- end }}
{{- end }}
{{- if not $values.schedule }}
terminationGracePeriodSeconds: 45
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "service.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
containers:
  - name: {{ $.Chart.Name }}
    image: {{ .image | quote }}
    {{- with $values.command }}
    command:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- include "service.security" $ | nindent 6 }}
    resources:
      requests: { cpu: {{ $values.resources.cpu | quote }}, memory: {{ $values.resources.memory | quote }} }
      limits: { memory: {{ $values.resources.memory | quote }} }
    {{- with $values.env }}
    env:
      {{- range $name, $value := . }}
      - { name: {{ $name }}, value: {{ $value | quote }} }
      {{- end }}
    {{- end }}
    {{- if $values.port }}
    ports:
      - { name: http, containerPort: {{ $values.port }} }
      {{- if and $values.metrics (ne (int $values.metrics.port) (int $values.port)) }}
      - { name: metrics, containerPort: {{ $values.metrics.port }} }
      {{- end }}
    {{- if not $values.schedule }}
    startupProbe:
      httpGet: { path: {{ $values.probes.health | quote }}, port: http }
      periodSeconds: 2
      failureThreshold: 60
    livenessProbe:
      httpGet: { path: {{ $values.probes.health | quote }}, port: http }
      timeoutSeconds: 3
    readinessProbe:
      httpGet: { path: {{ $values.probes.ready | quote }}, port: http }
      periodSeconds: 5
      timeoutSeconds: 3
    # Load balancers and proxies need some seconds to learn that a pod ends.
    lifecycle: { preStop: { sleep: { seconds: 10 } } }
    {{- end }}
    {{- else if $values.metrics }}
    ports:
      - { name: metrics, containerPort: {{ $values.metrics.port }} }
    {{- end }}
    volumeMounts:
      - { name: temporary, mountPath: /tmp }
      {{- if $values.secrets.files }}
      - { name: secrets, mountPath: {{ $values.secrets.folder | quote }}, readOnly: true }
      {{- end }}
volumes:
  - { name: temporary, emptyDir: { sizeLimit: 256Mi } }
  {{- if $values.secrets.files }}
  {{- if eq $values.secrets.store "secrets-store-csi" }}
  - name: secrets
    csi:
      driver: secrets-store.csi.k8s.io
      readOnly: true
      volumeAttributes: { secretProviderClass: {{ $.Release.Name }} }
  {{- else }}
  - { name: secrets, secret: { secretName: {{ $.Release.Name }}-secrets, defaultMode: 292 } }
  {{- end }}
  {{- end }}
{{- end }}

{{/* What sends requests from outside. */}}
{{- define "service.through" -}}
{{- with .Values.edge }}{{ .through }}{{ end }}
{{- end }}

{{/* Routes of a VirtualService to the versions of the service. Argo Rollouts changes the weights of a rollout. */}}
{{- define "service.routes" -}}
{{- $host := printf "%s.%s.svc.cluster.local" .Release.Name .Release.Namespace -}}
{{- if or .Values.canary .Values.rollout -}}
{{- $weight := 0 -}}
{{- with .Values.canary -}}
{{- $weight = int .weight -}}
{{- end -}}
- name: canary
  match: [{ headers: { x-canary: { exact: "true" } } }]
  route:
    - destination: { host: {{ $host }}, subset: canary }
- name: weighted
  route:
    - destination: { host: {{ $host }}, subset: stable }
      weight: {{ sub 100 $weight }}
    - destination: { host: {{ $host }}, subset: canary }
      weight: {{ $weight }}
{{- else -}}
- name: all
  route:
    - destination: { host: {{ $host }} }
{{- end }}
{{- end }}
