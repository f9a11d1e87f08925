# Every target sets up what it needs. `make` alone prints this help.
.DEFAULT_GOAL := help
.PHONY: help setup run test check fmt lock slo bench up down logs upgrade verify loadtest faults pictures backup restore drill secrets audit
SHELL := /bin/bash

-include .env # the ports, as Compose reads them

PYTHON ?= python3
BIN := .venv/bin
COMPOSE ?= docker compose
HTTP_PORT ?= 8080
HTTPS_PORT ?= 8443
GRAFANA_PORT ?= 3000
PROMETHEUS_PORT ?= 9090
ALERTMANAGER_PORT ?= 9093
JAEGER_PORT ?= 16686
# Not from the environment, where some shells keep the machine's name.
HOST = https://localhost:$(HTTPS_PORT)
REMOTE = $(filter command line,$(origin HOST))
API_KEY_FILE ?=
SECRETS_DIR ?=

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[36m%-10s\033[0m %s\n", $$1, $$2 } /^## / { printf "\n\033[1m%s\033[0m\n", substr($$0, 4) }' $(MAKEFILE_LIST)

## Code (needs Python 3.11 or newer alone)

setup: .venv/development ## Make .venv with everything the tests and checks need

run: .venv/runtime ## Serve on http://127.0.0.1:8000, SQLite in data/, no Docker; Ctrl-C stops
	@exec $(BIN)/python -m service

test: .venv/development ## Run the tests (no Docker, no root)
	$(BIN)/pytest -n 3 --dist worksteal -m "not stack and not restart and not upgrade and not incident" $(ARGS)

check: .venv/development ## Lint, types, architecture, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 3 --dist worksteal -q -m "not stack and not restart and not upgrade and not incident"

fmt: .venv/development ## Format the code and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/development ## Lock the dependencies again, with hashes
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --extra dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) pyproject.toml --extra bench -c requirements-dev.txt -o requirements-bench.txt
	$(LOCK) service/requirements-image.in -o service/requirements-image.txt
	$(LOCK) service/requirements-backup.in -o service/requirements-backup.txt
	$(LOCK) loadtest/requirements.in -o loadtest/requirements.txt

audit: .venv/development ## Ask OSV about every locked package (AUDIT=strict: fail if it cannot be asked)
	@$(BIN)/python -m audit $(if $(filter strict,$(AUDIT))$(GITHUB_ACTIONS),--strict)

slo: .venv/development ## Make rules, alerts, dashboards, bucket edges and the load test's limits from slo.yaml
	$(BIN)/python -m slo

bench: .venv/bench ## Measure it, and other job queues beside it; redraw the tables and plots (PARTS=, ROUNDS=, SECONDS=; 45 minutes)
	$(BIN)/python -m bench $(PARTS) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

## Stack (needs Docker with Compose)

up: ## Build and start the whole stack, wait until it is healthy, print the addresses
	$(COMPOSE) up --build --detach --wait
	@printf '\n  API         %s   (docs: /docs)\n' '$(HOST)'
	@printf '  Grafana     http://localhost:$(GRAFANA_PORT)/grafana/   (admin, password in secrets/development/)\n'
	@printf '  Prometheus  http://localhost:$(PROMETHEUS_PORT)\n  Jaeger      http://localhost:$(JAEGER_PORT)\n'
	@printf '  Alerts      http://localhost:$(ALERTMANAGER_PORT)   (what is sent: docker compose logs -f sink)\n\n  Post a job:\n\n'
	@printf '  curl -k %s/jobs -H "Authorization: Bearer dev-key" \\\n       -H "Content-Type: application/json" -d '"'"'{"kind": "sleep"}'"'"'\n\n' '$(HOST)'

secrets: .venv/runtime ## Make strong secrets for a stack, outside git (FOLDER=secrets/production, WEBHOOK_URL=, HEARTBEAT_URL=)
	@$(BIN)/python -m service secrets $(or $(FOLDER),secrets/production) \
	$(if $(WEBHOOK_URL),--webhook-url $(WEBHOOK_URL)) $(if $(HEARTBEAT_URL),--heartbeat-url $(HEARTBEAT_URL))

down: ## Stop the stack; its data stays (ARGS=-v deletes it)
	$(COMPOSE) --profile '*' down $(ARGS)

logs: ## Follow the service's log; REQUEST=id or JOB=id picks the lines of one
	@$(COMPOSE) --profile upgrade logs --follow --no-log-prefix service service-next $(if $(REQUEST)$(JOB),| grep --line-buffered -F $(if $(REQUEST),-e '"$(REQUEST)"') $(if $(JOB),-e '"$(JOB)"'))

upgrade: ## Replace the service's container while a client submits: no request fails (TAG=image's, else built; TIMES=, RATE=)
	$(if $(filter command line,$(origin TAG)),,@$(COMPOSE) build --quiet service backup)
	@API_KEY_FILE=$(API_KEY_FILE) $(PYTHON) -m upgrade --times $(or $(TIMES),1) $(if $(RATE),--rate $(RATE)) $(if $(REMOTE),--host $(HOST))

verify: .venv/development ## Send a request and a job through the running stack and look for every trace of them
	HOST=$(HOST) PLAIN_HOST=$(if $(REMOTE),,http://localhost:$(HTTP_PORT)) API_KEY_FILE=$(API_KEY_FILE) SECRETS_DIR=$(SECRETS_DIR) \
	ALERTMANAGER_URL=http://localhost:$(ALERTMANAGER_PORT) \
	PROMETHEUS_URL=http://localhost:$(PROMETHEUS_PORT) GRAFANA_URL=http://localhost:$(GRAFANA_PORT)/grafana \
	JAEGER_URL=http://localhost:$(JAEGER_PORT) $(BIN)/pytest -v -m stack tests/stack

loadtest: ## Judge the stack under load by slo.yaml, exit 1 if it fails (SCENARIO=smoke|slo|stress|soak, RATE=, DURATION=, COMPARE=no)
	@$(COMPOSE) build --quiet loadtest
	@LOADTEST_USER=$(or $(LOADTEST_USER),$(shell id -u)) LOADTEST_HOST=$(if $(REMOTE),$(HOST)) LOADTEST_SCENARIO=$(or $(SCENARIO),$(LOADTEST_SCENARIO)) \
	LOADTEST_RATE=$(or $(RATE),$(LOADTEST_RATE)) LOADTEST_SECONDS=$(or $(DURATION),$(LOADTEST_SECONDS)) LOADTEST_COMPARE=$(or $(COMPARE),$(LOADTEST_COMPARE)) \
	$(COMPOSE) run --rm --no-deps loadtest # with its dependencies it would build and recreate the very service that it judges

backup: ## Back the running stack up now, verify it, print the file
	@$(COMPOSE) exec -T backup python -m service backup --once

restore: ## Put a backup in the place of the database; refused while the service runs (FILE=path, name or newest; OFFSITE=yes: from off the machine)
	@$(COMPOSE) run --rm --no-deps -T backup restore $(if $(wildcard $(FILE)),- < $(FILE),$(FILE) $(if $(OFFSITE),--remote) < /dev/null)

drill: .venv/development ## Destroy a database and restore it, in a stack of its own: how long it takes, and exactly what is lost
	@$(BIN)/python -m tests.drill

faults: .venv/development ## Break things under load and see that nothing is lost (NAMES='"disk full"', FULL=1, SEED=; 4 minutes)
	$(BIN)/python -m tests.faults $(NAMES) $(if $(FULL),--full) $(if $(SEED),--seed $(SEED)) $(if $(REPORT),--report $(REPORT)) $(if $(KEEP),--keep $(KEEP))

pictures: .venv/bench ## Draw the dashboards of the running stack, and the last stress test, into docs/ (MINUTES=15)
	PROMETHEUS_URL=http://localhost:$(PROMETHEUS_PORT) $(BIN)/python -m grafana.pictures $(if $(MINUTES),--minutes $(MINUTES))
	$(BIN)/python -m loadtest.picture

LOCK = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header -q

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/runtime: requirements.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/bench: requirements-bench.txt .venv/development
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

.venv/development: requirements-dev.txt service/requirements-backup.txt | .venv/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt -r service/requirements-backup.txt
	@touch $@ .venv/runtime
