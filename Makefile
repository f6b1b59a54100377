# Every command that a person types. `make` alone prints them.

# Versions of the tools, so that everybody's findings are the same.
CARGO_DENY    := 0.20.2
CARGO_MACHETE := 0.9.2

HELM     ?= helm
PROMTOOL ?= promtool
COMPOSE  := docker compose --env-file .env.compose
STORES   := db redis minio

.DEFAULT_GOAL := help
.NOTPARALLEL:

##@ Everyday

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run server
run: ## Build and serve at http://localhost:8000
	cargo run --release --locked -- serve
server: run ## The same as run

# One part of the server each, meeting in one database. What neither the environment nor .env says is that of `make db-up`,
# and the streamer reads a made-up file.
define role
	@said() { printenv "$$1" >/dev/null || grep -qs "^ *$$1=" .env; }; \
	set -a; \
	said DATABASE_URL || eval "$$($(MAKE) --silent --no-print-directory db-env)"; \
	said JWT_SECRET || { $(MAKE) --silent --no-print-directory .env.compose && . ./.env.compose; }; \
	if [ $(1) = streamer ] && ! said STREAMER_SOURCE; then \
		mkdir -p data && cargo run --release --locked -- telemetry sample >data/sample.csv && \
		STREAMER_SOURCE=data/sample.csv || exit 1; \
	fi; \
	ROLES=$(1); PORT=$(2); exec cargo run --release --locked -- serve
endef

.PHONY: run-apigw run-mq run-streamer run-collector
run-apigw: ## Serve the API alone, at http://localhost:8080
	$(call role,api,8080)
run-mq: ## Keep the queue tidy, at http://localhost:8081
	$(call role,queue,8081)
run-streamer: ## Publish GPU samples, at http://localhost:8082
	$(call role,streamer,8082)
run-collector: ## Store GPU samples, at http://localhost:8083
	$(call role,collector,8083)

.PHONY: run-trace
run-trace: .env.compose ## Serve, and send traces to a Jaeger in Docker, shown at http://localhost:16686
	$(COMPOSE) up --detach --wait jaeger
	OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 cargo run --release --locked -- serve

.PHONY: deps
deps: ## Fetch the dependencies and install the tools of `make ci`
	cargo fetch --locked
	@cargo deny --version 2>/dev/null | grep -qx 'cargo-deny $(CARGO_DENY)' || \
		cargo install --locked cargo-deny@$(CARGO_DENY)
	@cargo machete --version 2>/dev/null | grep -qx '$(CARGO_MACHETE)' || \
		cargo install --locked cargo-machete@$(CARGO_MACHETE)

##@ Tests

.PHONY: test
test: ## Run the whole suite on the embedded and on the distributed stores; TEST_ARGS go to cargo
	scripts/test.sh $(TEST_ARGS)

.PHONY: test-setup
test-setup: ## Fetch, install and try what `make test` needs; nothing stays running
	cargo fetch --locked
	scripts/with-stores.sh sh -c 'printf "ready: %s\n" "$$TEST_DATABASE_URL" "$$TEST_CACHE_URL"'

.PHONY: unit-tests
unit-tests: ## Run the tests that need no store
	cargo test --workspace --lib --locked $(TEST_ARGS)

.PHONY: integration-tests
integration-tests: ## Run tests/it on the embedded and on the distributed stores
	scripts/test.sh --test it $(TEST_ARGS)

##@ Measuring

# The release build, with stores for the benchmark; what it is asked for comes before what BENCH_ARGS add.
define measure
	cargo build --release --locked
	RUN_HANDLER_ENV=test scripts/with-stores.sh cargo bench --locked --bench runs -- $(1) $(BENCH_ARGS)
endef

.PHONY: bench bench-cpu bench-heap memprofile
bench: ## Measure the release build and keep the result; BENCH_ARGS go to the benchmark
	$(call measure,)
bench-cpu: ## Leave profiles/cpu.pb.gz of the server under the benchmark's load
	$(call measure,--profile cpu)
bench-heap: ## Leave profiles/heap.pb.gz, the memory it asks for meanwhile
	$(call measure,--profile heap)
memprofile: ## Print the server's peak memory in each scenario
	$(call measure,--memory)

.PHONY: load
load: ## Sign up, log in, write, read and list in steps of clients; fails when a threshold is missed
	scripts/load.sh

##@ Quality

.PHONY: fmt format
fmt: ## Format the code
	cargo fmt --all
format: fmt ## The same as fmt

.PHONY: lint
lint: ## Check the format and run clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: lint-fix
lint-fix: ## Format, and apply what clippy can repair by itself
	cargo clippy --workspace --all-targets --locked --fix --allow-dirty --allow-staged
	cargo fmt --all

.PHONY: doc
doc: ## Build the documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# Advisories come from the internet. Only being unable to fetch them is forgiven, never a finding.
.PHONY: deny
deny: ## Check licences, banned crates, sources and security advisories
	cargo deny --locked check bans licenses sources
	@if reason=$$(cargo deny --locked fetch db 2>&1); then \
		cargo deny --locked check --disable-fetch advisories; \
	else \
		case $$reason in \
			*'failed to fetch'*) printf 'advisories SKIPPED:\n%s\n' "$$reason" ;; \
			*) printf '%s\n' "$$reason"; exit 1 ;; \
		esac; \
	fi

.PHONY: machete
machete: ## Look for dependencies that nothing uses
	cargo machete

# The tests render the chart without Helm; this asks Helm itself.
.PHONY: helm-lint
helm-lint: ## Have Helm lint the chart, and render it as the tests do; skipped where there is no helm
	@if ! command -v $(HELM) >/dev/null; then echo 'helm is not installed: SKIPPED'; exit 0; fi; \
	set -e; for values in deploy/helm/runyard/ci/*.yaml; do \
		echo "$$values"; $(HELM) lint --strict --quiet --values "$$values" deploy/helm/runyard; \
	done; \
	TEST_HELM="$$(command -v $(HELM))" cargo test --locked --test it helm_itself_renders_the_same

# The tests read the queries of dashboard and alerts by themselves; this asks Prometheus' own tool.
.PHONY: prom-lint
prom-lint: ## Have promtool check the metrics, and check and try the alerts; skipped where there is no promtool
	@if ! command -v $(PROMTOOL) >/dev/null; then echo 'promtool is not installed: SKIPPED'; exit 0; fi; \
	TEST_PROMTOOL="$$(command -v $(PROMTOOL))" cargo test --locked --test it promtool_finds_nothing

.PHONY: ci
ci: deps lint doc deny machete test ## Everything that has to pass before a merge

##@ Docker and databases

# Passwords are made once. The volumes remember them: after deleting this file also `docker compose down --volumes`.
.env.compose:
	@umask 077; \
	for name in POSTGRES_PASSWORD REDIS_PASSWORD MINIO_ROOT_PASSWORD JWT_SECRET; do \
		printf '%s=%s\n' "$$name" "$$(od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n')"; \
	done >$@.new && mv $@.new $@

.PHONY: up
up: .env.compose ## Build the image, start it with PostgreSQL, Redis and MinIO, at http://localhost:8000
	$(COMPOSE) up --detach --build --wait

.PHONY: down
down: .env.compose ## Stop all of it; the data stays
	$(COMPOSE) down

.PHONY: db-up
db-up: .env.compose ## Start PostgreSQL, Redis and MinIO alone
	$(COMPOSE) up --detach --wait $(STORES)
	@echo "To use them from here: make db-env >> .env"

.PHONY: db-down
db-down: .env.compose ## Stop them; the data stays
	$(COMPOSE) rm --stop --force $(STORES)

.PHONY: db-env
db-env: .env.compose ## Print the lines of .env that use them
	@. ./.env.compose; printf '%s\n' \
		"DATABASE_URL=postgres://runyard:$$POSTGRES_PASSWORD@127.0.0.1:5432/runyard" \
		"CACHE_URL=redis://:$$REDIS_PASSWORD@127.0.0.1:6379/0" \
		"BLOB_URL=s3://runs" \
		"AWS_ENDPOINT_URL=http://127.0.0.1:9000" \
		"AWS_ACCESS_KEY_ID=runyard" \
		"AWS_SECRET_ACCESS_KEY=$$MINIO_ROOT_PASSWORD" \
		"JWT_SECRET=$$JWT_SECRET"

.PHONY: db-migrate
db-migrate: ## Apply the missing migrations (`make run` does so too)
	cargo run --locked -- migrate up

.PHONY: db-downgrade
db-downgrade: ## Take the latest migration back
	cargo run --locked -- migrate down

.PHONY: docker-build
docker-build: ## Build the image runyard:latest
	docker build --tag runyard:latest .

##@ Generated files

.PHONY: openapi
openapi: ## Write docs/openapi.json
	@mkdir -p docs
	cargo run --quiet --locked -- openapi >target/openapi.json
	mv target/openapi.json docs/openapi.json

.PHONY: env-example
env-example: ## Write .env.example
	cargo run --quiet --locked -- env-example >target/env-example
	mv target/env-example .env.example
