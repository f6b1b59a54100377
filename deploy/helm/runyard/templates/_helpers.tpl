{{/* Names and labels. What is included is given the root, or a dict with the root and the component. */}}

{{- define "runyard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for the longest suffix. */}}
{{- define "runyard.fullname" -}}
{{- $name := include "runyard.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The Deployments that there are, by the names of their values. */}}
{{- define "runyard.components" -}}
{{- if eq .Values.mode "all" -}}
all
{{- else -}}
api
{{- if .Values.queue.enabled }},queue{{ end }}
{{- if .Values.collector.enabled }},collector{{ end }}
{{- if .Values.streamer.source }},streamer{{ end }}
{{- end -}}
{{- end -}}

{{/* What a component is called: the name that its /healthz says. */}}
{{- define "runyard.component" -}}
{{- if eq .component "api" -}}apigw
{{- else if eq .component "queue" -}}mq
{{- else if eq .component "all" -}}runyard
{{- else -}}{{ .component }}
{{- end -}}
{{- end -}}

{{- define "runyard.componentFullname" -}}
{{- if eq .component "all" -}}
{{- include "runyard.fullname" .root -}}
{{- else -}}
{{- printf "%s-%s" (include "runyard.fullname" .root) (include "runyard.component" .) -}}
{{- end -}}
{{- end -}}

{{/* Which of them answers HTTP. */}}
{{- define "runyard.front" -}}
{{- if eq .Values.mode "all" }}all{{ else }}api{{ end -}}
{{- end -}}

{{- define "runyard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "runyard.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ include "runyard.component" . }}
{{- end -}}

{{- define "runyard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "runyard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: runyard
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "runyard.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "runyard.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "runyard.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "runyard.secretName" -}}
{{- default (include "runyard.fullname" .) .Values.secret.existing -}}
{{- end -}}

{{/* Variables as `NAME: "value"`, without those that are empty. */}}
{{- define "runyard.variables" -}}
{{- range $name, $value := .variables }}
{{- if $value }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether a Job migrates; a SQLite file is only reached by the one process that owns it. */}}
{{- define "runyard.migrates" -}}
{{- if and .Values.migrations.job (not (hasPrefix "sqlite:" .Values.secret.values.DATABASE_URL)) }}job{{ else }}start{{ end -}}
{{- end -}}

{{/* One Pod at a time may own the folder. */}}
{{- define "runyard.persistent" -}}
{{- if and (eq .Values.mode "all") .Values.persistence.enabled }}yes{{ else }}no{{ end -}}
{{- end -}}
