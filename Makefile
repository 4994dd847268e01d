# make help lists the targets. Ports and passwords are changed by environment variables: see docker-compose.yml.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Docker Compose when an engine answers, plain processes otherwise. STACK=docker or STACK=native forces one.
STACK ?= $(shell docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1 && echo docker || echo native)
ifneq ($(filter-out docker native,$(STACK)),)
$(error STACK=$(STACK): use STACK=docker or STACK=native)
endif

# asked for by the targets that need it only
GO = $(or $(shell command -v go),$(error Go 1.26 or newer is missing: install it as https://go.dev/doc/install says))

# all packages but those that stop servers and the model, and of these those that meet the servers
PACKAGES = $(shell $(GO) list ./... | grep -vE '/(e2e|chaos|model)(/|$$)')
ADAPTER_PACKAGES = $(shell $(GO) list ./... | grep -vE '/(bench|e2e|chaos|stack|demo|model)(/|$$)')
GOLANGCI_LINT_VERSION := v2.15.0

# A second project, for the tests, beside the one that `make up` runs
E2E_PORTS := POSTGRES_PORT=15432 KAFKA_PORT=19092 CONNECT_PORT=18083 ELASTICSEARCH_PORT=19200 \
	EVENTAPI_PORT=18080 EVENTSEARCH_PORT=18081 INDEXER_PORT=18082 KAFKA_UI_PORT=18090 COMPOSE_NETWORK=ticketing-e2e
E2E_COMPOSE := $(E2E_PORTS) docker compose -p ticketing-e2e

.PHONY: up
up: ## Start the whole system and wait until it is ready
ifeq ($(STACK),docker)
	@docker compose up --build --detach --wait --wait-timeout 600 || { \
	  docker compose ps -a; \
	  echo 'The containers did not come up: see `make logs`. STACK=native make up runs the system without Docker.' >&2; exit 1; }
	@docker compose ps
	@echo; echo 'Try make demo, http://localhost:'$${EVENTSEARCH_PORT:-8081}'/ to search and /pipeline to watch, http://localhost:'$${EVENTAPI_PORT:-8080}'/docs, and Kafka UI at http://localhost:'$${KAFKA_UI_PORT:-8090}
else
	@$(GO) run ./stack up
endif

.PHONY: demo
demo: ## Write sample events and watch them arrive
	@$(GO) run ./demo

.PHONY: down
down: ## Stop everything; the data stays
ifeq ($(STACK),docker)
	@docker compose --profile monitoring down
else
	@$(GO) run ./stack down
endif

.PHONY: status
status: ## Show what runs, and where
ifeq ($(STACK),docker)
	@docker compose ps -a
else
	@$(GO) run ./stack status
endif

.PHONY: logs
logs: ## Follow the logs; C=NAME for one component
ifeq ($(STACK),docker)
	@docker compose logs --follow --tail 50 $(C)
else
	@$(GO) run ./stack logs --follow $(C)
endif

.PHONY: clean
clean: ## Stop everything and remove its data
ifeq ($(STACK),docker)
	@docker compose --profile monitoring down --volumes
else
	@$(GO) run ./stack clean
endif

.PHONY: test
test: ## Run all tests, with real components beside them; no Docker needed
	@$(GO) run ./stack tools
	@$(GO) run ./stack exec -- $(MAKE) --no-print-directory test-suites

# Behind `stack exec`. The model's tens of thousands of histories run without the race detector, which never forgets a
# goroutine of theirs: a thousand are run with it. The end-to-end tests and the fault tests stop components, so nothing
# else runs beside them.
.PHONY: test-suites
test-suites:
	@$(GO) test -race -timeout 12m $(PACKAGES)
	@$(GO) test -race -short -run 'TestIndexEqualsTable|TestBuilds' ./cdc-indexer/model
	@$(GO) test -timeout 12m ./cdc-indexer/model
	@$(GO) test -race -timeout 20m -count=1 ./e2e/...
	@$(GO) test -race -timeout 15m -count=1 ./chaos/...

# Built first, so that Ctrl-C reaches it.
.PHONY: chaos
chaos: DURATION ?= 10m
chaos: SEED ?= 1
chaos: REPORT ?= .stack/chaos.md
chaos: ## Break things at random under writes, and compare: DURATION=30m SEED=7 REPORT=FILE.md
	@mkdir -p .bin $(dir $(REPORT))
	@$(GO) build -o .bin/chaos ./chaos
	@$(GO) run ./stack exec -- .bin/chaos --duration $(DURATION) --seed $(SEED) --report $(REPORT)

# Built first, so that Ctrl-C reaches it. BENCH has further flags: .bin/bench run --help
.PHONY: bench
bench: BENCH_FLAGS = $(and $(ONLY),--only $(ONLY)) $(and $(ROUNDS),--rounds $(ROUNDS)) $(and $(EVENTS),--events $(EVENTS)) \
	$(and $(RESULTS),--results $(RESULTS)) $(and $(REPORT),--report $(REPORT)) $(BENCH)
bench: ## Measure: ONLY=catchup,peers ROUNDS=1 EVENTS=20000 BENCH=--install RESULTS=FILE.json REPORT=FILE.md
	@mkdir -p .bin
	@$(GO) build -o .bin/ ./bench ./cdc-indexer
	@$(GO) run ./stack exec --only eventapi,connector,elasticsearch -- .bin/bench $(BENCH_FLAGS)

.PHONY: screenshots
screenshots: ## Take the README's pictures of the pages, from a running system
	@mkdir -p .stack/browser && cp internal/browser/package.json internal/browser/package-lock.json .stack/browser/
	@npm ci --silent --no-audit --no-fund --prefix .stack/browser
	@CHROMIUM=$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome)} \
	  BROWSER_MODULES=$(CURDIR)/.stack/browser node docs/images/screenshots.mjs

# Long tests of what `cdc-indexer` does by itself: `make test` runs them.
NOT_ABOUT_CONTAINERS = TestReindexKilled|TestReindexUnderWrites|TestRollback|TestSearchesWhile|TestSlotLost|TestVerify|TestPrometheus

.PHONY: test-docker
test-docker: ## Run the tests of the adapters, and end to end, on containers
	@$(GO) run ./stack tools
	@$(GO) run ./stack exec --provider docker --only postgres,kafka,connect,elasticsearch -- \
	  $(GO) test -race -timeout 15m -count=1 $(ADAPTER_PACKAGES)
	@trap '$(E2E_COMPOSE) down --volumes --timeout 20 >/dev/null 2>&1' EXIT; \
	  $(E2E_COMPOSE) up --build --detach --wait --wait-timeout 600 --quiet-pull \
	    || { $(E2E_COMPOSE) ps -a; $(E2E_COMPOSE) logs --tail 50; exit 1; }; \
	  $(E2E_PORTS) E2E_PROVIDER=docker COMPOSE_PROJECT_NAME=ticketing-e2e \
	  TEST_POSTGRES_URL="postgres://postgres:$${POSTGRES_PASSWORD:-postgres}@127.0.0.1:15432/ticketing?sslmode=disable" \
	  TEST_KAFKA_BROKERS=127.0.0.1:19092 TEST_CONNECT_URL=http://127.0.0.1:18083 TEST_ELASTICSEARCH_URL=http://127.0.0.1:19200 \
	  TEST_EVENTAPI_URL=http://127.0.0.1:18080 TEST_EVENTSEARCH_URL=http://127.0.0.1:18081 TEST_INDEXER_URL=http://127.0.0.1:18082 \
	  $(GO) test -race -timeout 25m -count=1 -skip '$(NOT_ABOUT_CONTAINERS)' ./e2e/...

.PHONY: lint
lint: .bin/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Run the linters
	@$< run ./...

.PHONY: fmt
fmt: .bin/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Format the Go files
	@$< fmt ./...

.bin/golangci-lint-$(GOLANGCI_LINT_VERSION):
	@mkdir -p $(@D)
	GOBIN=$(CURDIR)/.bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv .bin/golangci-lint $@

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  STACK=docker|native forces containers or plain processes (now: $(STACK)).'
