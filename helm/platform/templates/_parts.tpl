{{/* Labels of everything that belongs to one part; call with (list . "s3"). */}}
{{- define "platform.labels" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/part-of: platform
{{- end }}

{{/* What pod security `restricted` wants of a pod. Nothing here talks to Kubernetes, so no pod gets a token. */}}
{{- define "platform.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "platform.container" -}}
imagePullPolicy: IfNotPresent
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* A service with one port, on every node where a node port is given; call with (dict "root" . "name" .. "port" .. "nodePort" ..). */}}
{{- define "platform.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels: {{- include "platform.labels" (list .root .name) | nindent 4 }}
spec:
  type: {{ if .nodePort }}NodePort{{ else }}ClusterIP{{ end }}
  selector: {app.kubernetes.io/name: {{ .name }}}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
      {{- with .nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- end }}
