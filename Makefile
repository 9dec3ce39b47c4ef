# Everything a newcomer needs, on Linux and macOS with Node and make. No Docker.
#
# Recipes are one shell line each where a signal matters: `exec` hands Ctrl-C to the program itself.

SHELL := /bin/sh
.DEFAULT_GOAL := help

NODE ?= node
# Prints the path of a nats-server that is new enough, fetching it the first time; 10 ms afterwards.
PROVISION := ./deploy/nats/provision.sh
# Recipes run with this prefix find the server, and stop with its message when there is none.
WITH_NATS = SLUICE_NATS_SERVER=$$($(PROVISION)) && export SLUICE_NATS_SERVER &&
JEST := $(NODE) --experimental-vm-modules --no-warnings=ExperimentalWarning node_modules/jest/bin/jest.js
# `make test ONLY=e2e/fences` runs what matches.
ONLY ?=
# A step that may take a while: its name at once, then how long it took. What goes wrong says so itself.
STEP = step() { printf '  %s … ' "$$1" >&2; shift; at=$$(date +%s); "$$@" >/dev/null && printf '✓ %s s\n' $$(($$(date +%s) - at)) >&2; }; step

.PHONY: help setup node nats web demo test faults attacks agent-cli deploy-check lint typecheck check format pack bench bench-quick bench-docs bench-placement clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: node node_modules/.sluice-installed nats web ## Install what everything else needs (seconds when it is there)

NEEDS_NODE := Sluice needs Node 20.19 or newer, see https://nodejs.org. Found here:
node:
	@command -v $(NODE) >/dev/null || { echo '$(NEEDS_NODE) none' >&2; exit 1; }
	@$(NODE) -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' || \
	  { echo "$(NEEDS_NODE) $$($(NODE) --version)" >&2; exit 1; }

# The stamp lives in node_modules, so that removing the folder removes it too.
node_modules/.sluice-installed: package-lock.json | node
# A dozen development packages want Node 22; npm would say so in 40 lines.
	@$(STEP) 'installing npm packages' npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

nats:
	@$(PROVISION) >/dev/null

# The pages that an edge serves: built again, in about two seconds, when something they are made of changed.
WEB := services/web
WEB_SOURCES := $(wildcard $(WEB)/*.json $(WEB)/*.ts $(WEB)/*.html) \
  $(shell find $(WEB)/src $(WEB)/public shared/client/src shared/protocol/src -type f)
web: $(WEB)/dist/index.html ## Build the web pages, if they changed
$(WEB)/dist/index.html: $(WEB_SOURCES) node_modules/.sluice-installed
	@$(STEP) 'building the web pages' npm run --silent --workspace @sluice/web build -- --logLevel warn
	@touch $@

demo: setup web ## Run everything on this machine and show where to chat (Ctrl-C stops it)
	@$(WITH_NATS) exec $(NODE) services/cli/bin/sluice.js up

# What measures time, or starts whole systems or clusters, runs alone: on two cores a neighbour would be measured too.
TIMED := $(CURDIR)/e2e/ $(CURDIR)/services/worker/test/engines/ $(CURDIR)/shared/simulator/test/ $(CURDIR)/shared/bus/test/nats-
test: setup ## Run all tests; ONLY=<pattern> runs some
ifdef ONLY
	@$(WITH_NATS) exec $(JEST) $(ONLY)
else
	@$(WITH_NATS) $(JEST) --testPathIgnorePatterns $(TIMED)
	@$(WITH_NATS) exec $(JEST) --runInBand $(TIMED)
endif

faults: setup ## Work through the fault matrix, about 20 minutes; SEED=<n> repeats its random part
	@$(WITH_NATS) export FAULTS=long && exec $(JEST) --runInBand e2e/faults

attacks: setup ## Play every attack at full size, about 5 minutes
	@$(WITH_NATS) export ATTACKS=long && exec $(JEST) --runInBand e2e/attacks

# kubectl, helm and the schemas of Kubernetes, pinned in that script, come into .cache the first time.
deploy-check: setup ## Check what deploy and k8s ship with the programs that read it
	@$(WITH_NATS) export DEPLOY_CHECK=fetch && exec $(JEST) --runInBand e2e/deploy e2e/compose e2e/monitoring

agent-cli: node ## Install the coding agent that e2e/agent-cli drives, 170 MB, into the cache
	@./e2e/outside/agent-cli.sh --install >/dev/null

# The rules that look at types read other packages' declarations, so those are built first.
lint: node node_modules/.sluice-installed ## Check rules, import fences and formatting
	@npm run --silent build
	@npm run --silent lint

typecheck: node node_modules/.sluice-installed ## Compile all packages and check the tests' types
	@npm run --silent typecheck

# One after the other: two at once on a small machine make the timing tests unfair.
check: setup ## What CI runs: lint, typecheck, test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory typecheck
	@DEPLOY_CHECK=fetch $(MAKE) --no-print-directory test

format: node node_modules/.sluice-installed ## Rewrite files in the common format
	@npm run --silent format

# Where the tarballs go.
PACK ?= pack
pack: setup ## Pack what others install into pack/, one tarball per package
	@$(NODE) --import tsx deploy/npm/pack.ts $(PACK)

LOADGEN := $(NODE) --import tsx --conditions=sluice-source services/loadgen/src/main.ts
# What was measured last, row by row: `make bench ONLY=P1a` replaces one scenario's.
RESULTS := docs/benchmark-results.json
bench: setup ## Measure everything against its targets and peers, and keep it; ONLY=<target> measures some
	@$(WITH_NATS) exec $(LOADGEN) bench $(ONLY) --save $(RESULTS)

bench-quick: setup ## Measure the same with fewer repetitions, three minutes
	@$(WITH_NATS) exec $(LOADGEN) quick

bench-docs: node node_modules/.sluice-installed ## Write what was measured last into docs/BENCHMARKS.md
	@$(LOADGEN) docs $(RESULTS) docs/BENCHMARKS.md
	@npx prettier --write --log-level warn $(RESULTS) docs/BENCHMARKS.md

bench-placement: setup ## Measure what placing sessions by their KV cache gains, about two minutes
	@$(WITH_NATS) exec $(LOADGEN) placement

clean: ## Remove everything built or installed here (the cached nats-server stays)
	rm -rf node_modules coverage .cache pack shared/*/dist services/*/dist shared/*/node_modules services/*/node_modules
