{{/* What cannot work is refused here, before anything is made. */}}

{{- define "runyard.check" -}}
{{- $front := index .Values (include "runyard.front" .) -}}
{{- $several := or $front.autoscaling.enabled (gt (int $front.replicas) 1) -}}
{{- $alone := and (eq .Values.mode "all") (not $several) -}}
{{- $kept := eq (include "runyard.persistent" .) "yes" -}}
{{- $blobs := .Values.config.BLOB_URL -}}

{{- if and $kept $several -}}
{{- fail "persistence.enabled: a data folder has one owner, so mode `all` needs all.replicas 1 and no autoscaling with it" -}}
{{- end -}}
{{- if and .Values.persistence.enabled (ne .Values.mode "all") -}}
{{- fail "persistence.enabled: only mode `all` has a data folder to keep" -}}
{{- end -}}

{{- if hasPrefix "s3://" $blobs -}}
{{- else if $blobs -}}
{{- if not (hasPrefix "file:///data/" $blobs) -}}
{{- fail "config.BLOB_URL: expected s3://bucket/prefix, or file:///data/…, since nothing else can be written" -}}
{{- end -}}
{{- if not (and $alone $kept) -}}
{{- fail "config.BLOB_URL: file:// is seen by one Pod alone; use s3://bucket/prefix, or mode `all` with one replica and persistence" -}}
{{- end -}}
{{- else if not (and $alone $kept) -}}
{{- fail "config.BLOB_URL is required: s3://bucket/prefix (or mode `all` with one replica and persistence)" -}}
{{- end -}}

{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is required with ingress.enabled" -}}
{{- end -}}
{{- if not .Values.secret.existing -}}
{{- include "runyard.checkSecret" (dict "root" . "secret" .Values.secret.values "several" $several "alone" $alone "kept" $kept "blobs" $blobs "monitored" .Values.podMonitor.enabled) -}}
{{- end -}}
{{- end -}}

{{- define "runyard.checkSecret" -}}
{{- $database := .secret.DATABASE_URL -}}
{{- if not $database -}}
{{- fail "secret.values.DATABASE_URL is required: postgres://user:password@host:5432/database (or name a Secret in secret.existing)" -}}
{{- end -}}
{{- if hasPrefix "sqlite:" $database -}}
{{- if not .alone -}}
{{- fail "secret.values.DATABASE_URL: SQLite has one owner; use postgres://…, or mode `all` with one replica and no autoscaling" -}}
{{- end -}}
{{- if not .kept -}}
{{- fail "secret.values.DATABASE_URL: SQLite would be lost with its Pod; set persistence.enabled" -}}
{{- end -}}
{{- if not (hasPrefix "sqlite:///data/" $database) -}}
{{- fail "secret.values.DATABASE_URL: the file must be below /data, as in sqlite:///data/runyard.db" -}}
{{- end -}}
{{- else -}}
{{- if not (or (hasPrefix "postgres://" $database) (hasPrefix "postgresql://" $database)) -}}
{{- fail "secret.values.DATABASE_URL: expected postgres://… or sqlite:///data/…" -}}
{{- end -}}
{{- if not .secret.JWT_SECRET -}}
{{- fail "secret.values.JWT_SECRET is required with PostgreSQL, since all replicas need the same: openssl rand -hex 32" -}}
{{- end -}}
{{- end -}}
{{- range splitList "," .secret.JWT_SECRET -}}
{{- if and . (lt (len .) 32) -}}
{{- fail "secret.values.JWT_SECRET: 32 bytes at least, each of several too" -}}
{{- end -}}
{{- end -}}
{{- if and .several (not (or (hasPrefix "redis://" .secret.CACHE_URL) (hasPrefix "rediss://" .secret.CACHE_URL))) -}}
{{- fail "secret.values.CACHE_URL: several replicas need redis://… or rediss://…, or a delete on one would not reach the others" -}}
{{- end -}}
{{- if and .monitored (not (and .secret.METRICS_USERNAME .secret.METRICS_PASSWORD)) -}}
{{- fail "secret.values.METRICS_USERNAME and METRICS_PASSWORD are required with podMonitor.enabled" -}}
{{- end -}}
{{- if and (hasPrefix "s3://" .blobs) (not (and .secret.AWS_ACCESS_KEY_ID .secret.AWS_SECRET_ACCESS_KEY)) -}}
{{- fail "secret.values.AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are required with s3://" -}}
{{- end -}}
{{- end -}}
