# `make help` lists what there is. Needs Go, Python 3.11+ and make; a C compiler only for `make race`.
PYTHON  ?= python3
VENV    := python/.venv
VPY     := $(VENV)/bin/python
PYG     ?= $(CURDIR)/.cache/pyg
TOOLS   := $(CURDIR)/.cache/bin
DIST    := .cache/dist
# Packages are installed as their hashes in python/locks are; $(call locked,PYTHON,SET) installs a set and graphscore.
locked   = $1 -m pip install --quiet --disable-pip-version-check --require-hashes --requirement python/locks/$2.txt && \
           $1 -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable python
JOB     ?= jobs/examples/molecules/job.yaml
MODEL   ?= jobs/examples/molecules/model
PREFIX  ?= /usr/local
LISTEN  ?= 127.0.0.1:9999
OUT     ?= $(if $(filter jobs/examples/molecules/job.yaml,$(JOB)),jobs/examples/molecules/out)
export CGO_ENABLED = 0
# Tests report there what they injected, and what came of it: see reliability.
export FAULT_ROWS ?= $(CURDIR)/.cache/rows
# Names of files and dates reach the shell as they were given, with their blanks, quotes and dollars:
# $(call given,NAME) is the value of a variable, $(call quoted,TEXT) one word of the shell.
given    = $(if $(filter command environment,$(firstword $(origin $1))),$(value $1),$($1))
quoted   = '$(subst ','\'',$1)'
# $(call needs,NAME,example) is the value of NAME as a word, or ends with one sentence.
needs    = $(if $(call given,$1),$(call quoted,$(call given,$1)),$(error make $@ needs $1=..., as in $1=$2))
# $(call option,--flag,NAME) is the flag with the value of NAME, where that is set.
option   = $(if $(call given,$2), $1 $(call quoted,$(call given,$2)))
# $(call ends,COMMAND) runs a command of graphscore. make ends with 2 whatever the code is, so that the code is printed.
ends     = @$1 || { code=$$?; printf 'make %s: ended with %s, which make turns into 2; for the code itself: %s\n' $@ $$code $(call quoted,$1) >&2; exit $$code; }

.DEFAULT_GOAL := help
.PHONY: help build install lock cross dist dist-check audit run backfill plan report verify-output test test-go test-python test-e2e test-browser test-deploy test-slurm test-faults test-fuzz test-simulation test-data test-pyg test-admet admet docs-check reliability reliability-check house race lint fmt proto proto-check verify bench bench-against bench-full simulate serve clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "make ends with 2 for every code of graphscore, and says which one it was: a script calls bin/graphscore"

build: bin/graphscore $(VENV)/.run ## build bin/graphscore and python/.venv

bin/graphscore: FORCE
	@go build -trimpath -o $@ ./cmd/graphscore
FORCE:

# One stamp a set of packages; each set is installed when what describes it is newer. A venv that was moved or
# copied would run the code of where it was made: it is made anew.
ifneq ($(shell cat $(VENV)/.place 2>/dev/null),$(CURDIR))
$(shell rm -rf $(VENV))
endif
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: set PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@echo '$(CURDIR)' > $(VENV)/.place
$(VENV)/.run: python/pyproject.toml python/locks/run.txt | $(VENV)/bin/python
	@echo "installing the Python packages of the workers into $(VENV)"
	@$(call locked,$(VPY),run)
	@touch $@
$(VENV)/.test: python/locks/test.txt $(VENV)/.run
	@echo "installing the Python packages of the tests into $(VENV)"
	@$(call locked,$(VPY),test)
	@touch $@
$(VENV)/.bench: python/locks/bench.txt $(VENV)/.test
	@$(call locked,$(VPY),bench)
	@touch $@
# Not in python/.venv: the tests there show that scoring needs no torch.
$(PYG)/.ready: python/pyproject.toml python/constraints.txt
	@echo "installing PyTorch and PyTorch Geometric into $(PYG)"
	@$(PYTHON) -m venv $(PYG)
	@$(PYG)/bin/python -m pip install --quiet --disable-pip-version-check --constraint python/constraints.txt --editable 'python[test,export]'
	@touch $@
$(VENV)/.lint: python/locks/lint.txt $(VENV)/.test
	@$(call locked,$(VPY),lint)
	@touch $@

run: build ## score the example: 4,806 real molecules (JOB=jobs/examples/citations/job.yaml: Cora; DATE=...)
	$(call ends,bin/graphscore run $(call needs,JOB,job.yaml)$(call option,--date,DATE))

admet: build $(VENV)/.test ## predict the 41 ADMET properties of 118 drugs with the models of ADMET-AI (fetches 14 MB)
	$(VPY) jobs/examples/admet/fetch.py .cache/admet
	@for kind in classification regression; do \
	  $(VPY) -m graphscore export chemprop .cache/admet/models/admet_$$kind/*.pt --out .cache/admet/$$kind --std || exit; done
	$(VPY) -m graphscore convert smiles jobs/examples/admet/data/drugs.csv --out .cache/admet/graphs --features chemprop-v2 --redo
	bin/graphscore run jobs/examples/admet/classification.yaml --quiet
	bin/graphscore run jobs/examples/admet/regression.yaml --quiet
	$(VPY) jobs/examples/admet/table.py jobs/examples/admet/out

backfill: build ## score the dates of JOB=... from SINCE=... to before UNTIL=... (default: now)
	$(call ends,bin/graphscore backfill $(call needs,JOB,job.yaml) --since $(call needs,SINCE,2026-01-01)$(call option,--until,UNTIL))

plan: build ## tell what a run of JOB=... would do and cost (DATE=...)
	$(call ends,bin/graphscore plan $(call needs,JOB,job.yaml)$(call option,--date,DATE))

report: build ## write the report of the output OUT=... (default: the example's)
	$(call ends,bin/graphscore report $(call needs,OUT,scores))

verify-output: build ## check the output of JOB=... against its input, and score 1 % of it again (DATE=...)
	$(call ends,bin/graphscore verify $(call needs,JOB,job.yaml)$(call option,--date,DATE) --sample 1%)

test: test-go test-python test-e2e ## run every test that needs nothing but Go, Python and make

test-go: ## run the Go tests
	go test -shuffle=on -timeout 30m ./...

test-python: $(VENV)/.test ## run the Python tests
	cd python && .venv/bin/python -m pytest -q

test-e2e: build $(VENV)/.test ## run the tests of the built binary with real workers
	go test -tags e2e -count=1 -timeout 30m ./cmd/internal/e2e/...
	go test -tags e2e -count=1 -run TestMatrix ./readers

test-browser: ## open reports in a real Chromium (needs chromium; pictures in .cache/screenshots)
	go test -tags browser -count=1 -timeout 30m ./pipeline/report

test-deploy: build ## try jobs/deploy with the real cron, systemd, logrotate, promtool and parallel (needs root)
	go test -tags deploy -count=1 -timeout 30m ./jobs/deploy
	go -C jobs/deploy/apis test -count=1 ./...

test-slurm: build ## try submit on a real Slurm of two nodes, started for it (needs root, Debian's slurmctld, slurmd, slurm-client, munge)
	go test -tags slurm -count=1 -timeout 30m ./cmd/internal/cluster

test-faults: bin/graphscore ## fail each system call on an output, and kill there (needs ptrace, linux/amd64)
	@rm -f .cache/faults.txt
	go test -tags faults -count=1 -timeout 30m ./cmd/internal/faults/...
	@cat .cache/faults.txt

# The new seed of a commit: the first 8 digits of its hash, so that another run of the commit has the same. Without git it is
# that of no commit, from /dev/urandom.
NEW_SEED = $(shell hash=$$(git rev-parse HEAD 2>/dev/null | cut -c1-8); \
             if [ -n "$$hash" ]; then echo $$((0x$$hash)); else od -An -N4 -tu4 /dev/urandom | tr -d ' '; fi)

# The packages with mutation targets, and the seeds: one that is the same each time, and that of the commit, which is printed.
FUZZED    = ./readers ./pipeline/local ./writers/part ./writers/record ./jobs ./jobs/run ./cmd/internal/cli
FUZZ_SEED ?= $(NEW_SEED)
FUZZ_COUNT ?= 1000
test-fuzz: $(VENV)/.test ## read thousands of mutated files, from seed 1 and from that of the commit (FUZZ_SEED=..., FUZZ_COUNT=...)
	@for seed in 1 $(FUZZ_SEED); do \
	  echo "FUZZ_SEED=$$seed FUZZ_COUNT=$(FUZZ_COUNT)"; \
	  FUZZ_SEED=$$seed FUZZ_COUNT=$(FUZZ_COUNT) go test -count=1 -timeout 30m -run '^TestMutated' $(FUZZED) || exit; \
	  (cd python && FUZZ_SEED=$$seed FUZZ_COUNT=$(FUZZ_COUNT) .venv/bin/python -m pytest -q tests/test_mutated.py) || exit; \
	done

# Schedules of faults: those of the seeds from 1, and some from that of the commit, which is printed; with SIM_SEED=... just those from it.
SIM_COUNT ?= 1000
SIM_NEW   ?= $(NEW_SEED)
test-simulation: ## play 1,000 schedules of faults against whole runs, and 100 from the seed of the commit (SIM_SEED=..., SIM_COUNT=..., SIM_PLAYS=...)
	@play() { echo "SIM_SEED=$$1 SIM_COUNT=$$2"; SIM_SEED=$$1 SIM_COUNT=$$2 go test -count=1 -timeout 30m -run '^TestFaultSchedules$$' ./jobs/run; }; \
	$(if $(SIM_SEED),play $(SIM_SEED) $(SIM_COUNT),play 1 $(SIM_COUNT) && play $(SIM_NEW) 100)

test-data: build $(VENV)/.test ## run the tests on the large collections of DATA=... (default ../shared/data)
	$(VPY) -m pytest -q python/tests/collections --data $(call quoted,$(or $(call given,DATA),../shared/data))

test-pyg: $(PYG)/.ready ## recompute vectors with the real PyTorch Geometric, export a zoo of its modules (installs 5.6 GB)
	cd python && $(PYG)/bin/python -m pytest -q tests/pyg

test-admet: build $(VENV)/.test ## compare ADMET-AI's models with its own predictions (fetches 14 MB)
	$(VPY) jobs/examples/admet/fetch.py .cache/admet
	cd python && .venv/bin/python -m pytest -q tests/admet

docs-check: build $(VENV)/.test ## check the links, commands and examples of every Markdown file
	@mkdir -p .cache
	@go test -tags docs -count=1 -timeout 30m -v ./cmd/internal/docs >.cache/docs-check.log || { cat .cache/docs-check.log; exit 1; }
	@sed -nE 's/^ok/docs-check: ok/p; s/^ +[a-z_]+\.go:[0-9]+: (.*( not run|links).*)/  \1/p' .cache/docs-check.log

reliability: ## run the tests that inject faults, and write .github/RELIABILITY.md from what they report
	@rm -rf $(call quoted,$(FAULT_ROWS))
	$(MAKE) test test-faults
	@go run ./cmd/internal/reliability $(call quoted,$(FAULT_ROWS))

reliability-check: ## compare .github/RELIABILITY.md with what `make test test-faults` reported
	@go run ./cmd/internal/reliability -check $(call quoted,$(FAULT_ROWS))

house: ## count files, lines and upward arrows of every folder
	@go run ./cmd/internal/house

# Every process under the race detector sleeps a second before it ends, so that goroutines which it leaves may still
# race. The tests fail where one is left (goleak), and start 1,500 processes.
race: export GORACE = atexit_sleep_ms=0
race: export FAULT_ROWS =
race: ## run the Go tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 30m ./...

lint: $(TOOLS)/golangci-lint $(VENV)/.lint ## check style, types and import directions
	$(TOOLS)/golangci-lint run ./...
	cd python && .venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

fmt: $(TOOLS)/golangci-lint $(VENV)/.lint ## format the code
	$(TOOLS)/golangci-lint fmt ./...
	cd python && .venv/bin/ruff format . && .venv/bin/ruff check --fix .

$(TOOLS)/golangci-lint: .tools/lint/go.sum
	GOBIN=$(TOOLS) go -C .tools/lint install tool
	@touch $@
$(TOOLS)/protoc-gen-go: .tools/proto/go.sum
	GOBIN=$(TOOLS) go -C .tools/proto install tool
	@touch $@

proto: $(TOOLS)/protoc-gen-go $(VENV)/.lint ## generate the protobuf code of Go and Python
	PATH=$(TOOLS):$$PATH $(VPY) -m grpc_tools.protoc -I proto --go_out=. --go_opt=module=graphscore \
	  --go-grpc_out=. --go-grpc_opt=module=graphscore gcn/gcn.proto graphscore/v1/scoring.proto
	python/generate_proto.sh

proto-check: proto ## fail where the generated code is stale
	@git diff --exit-code --stat -- proto python/src/graphscore/_proto || { echo "generated code is stale: commit what 'make proto' made" >&2; exit 1; }

lock: .cache/uv/.ready ## write python/locks anew, from python/pyproject.toml and the versions in python/constraints.txt
	@compile() { set=$$1; shift; .cache/uv/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	  --no-annotate --no-header --output-file python/locks/$$set.txt "$$@"; }; \
	project() { compile "$$@" --constraint python/constraints.txt python/pyproject.toml python/locks/build.in; }; \
	project run && project test --extra test && project lint --extra test --extra lint --extra proto && \
	project bench --extra test --extra bench && compile dist --constraint python/constraints.txt python/locks/dist.in
.cache/uv/.ready: python/locks/uv.txt
	@$(PYTHON) -m venv --clear .cache/uv && .cache/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

SYSTEMS ?= windows/amd64 darwin/arm64
cross: ## compile the program and its tests for other systems, and look at them with vet (SYSTEMS='windows/amd64 darwin/arm64')
	@for system in $(SYSTEMS); do echo "go vet for $$system"; GOOS=$${system%/*} GOARCH=$${system#*/} go vet ./... || exit; done

# Paths of what is installed there are relative, and it is called through its python: a checkout may be moved.
dist_tools = TOOLS="$(CURDIR)/$(DIST)/tools" VENV="$(CURDIR)/$(DIST)/venv" RUN="$(CURDIR)/$(DIST)/run"

dist: $(DIST)/tools/cyclonedx-gomod $(DIST)/venv/.ready $(DIST)/run/.ready ## build what a release has into dist: binaries, wheel, SBOMs, licences, SHA256SUMS
	@$(dist_tools) .tools/dist/dist.sh dist

dist-check: dist ## build it again in a clone elsewhere with empty caches of Go, and compare the bytes
	@rm -rf $(DIST)/again && git clone --quiet --no-local . $(DIST)/again
	@GOCACHE="$(CURDIR)/$(DIST)/again/.cache/go" $(dist_tools) $(DIST)/again/.tools/dist/dist.sh dist >/dev/null
	@diff -u dist/SHA256SUMS $(DIST)/again/dist/SHA256SUMS && echo "the same bytes twice: dist/SHA256SUMS"
	@rm -rf $(DIST)/again

$(DIST)/tools/cyclonedx-gomod: .tools/dist/go.sum
	@GOBIN="$(CURDIR)/$(DIST)/tools" go -C .tools/dist install tool
	@touch $@
$(DIST)/venv/.ready: python/locks/dist.txt
	@$(PYTHON) -m venv --clear $(DIST)/venv
	@$(DIST)/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@
# What the wheel needs, and nothing else: these packages are what its SBOM names.
$(DIST)/run/.ready: python/locks/run.txt
	@$(PYTHON) -m venv --clear $(DIST)/run
	@$(DIST)/run/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

install: bin/graphscore ## install bin/graphscore and its Python packages below PREFIX=... (default /usr/local; DESTDIR=...)
	@PYTHON=$(call quoted,$(PYTHON)) .tools/dist/install.sh $(call quoted,$(DESTDIR)$(PREFIX))

audit: $(TOOLS)/govulncheck ## ask the databases of advisories about what is used (needs vuln.go.dev and pypi.org)
	$(TOOLS)/govulncheck ./...
	@$(PYTHON) -m venv --clear .cache/audit && .cache/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	.cache/audit/bin/python -m pip_audit --disable-pip --requirement python/locks/bench.txt --requirement python/locks/lint.txt

$(TOOLS)/govulncheck: .tools/audit/go.sum
	GOBIN=$(TOOLS) go -C .tools/audit install tool
	@touch $@

verify: test lint race proto-check docs-check ## everything that CI runs

bench: build $(VENV)/.test ## measure speed and memory on several workloads (minutes; BENCH='--only NAME,...')
	$(VPY) python/benchmarks/bench.py $(BENCH)

bench-against: build $(VENV)/.test ## compare speed and bytes with an older commit BASE=... (BENCH='--rounds 9 --scale 0.5')
	$(VPY) python/benchmarks/against.py $(call needs,BASE,HEAD~5) $(BENCH)

simulate: ## print what submissions of 10^9 graphs take on simulated clusters of 100 nodes (seconds; nothing is scored)
	go test -count=1 -run '^TestSimulation$$' ./jobs/submit -v -args -table

bench-full: build $(VENV)/.bench ## the same and PyG, Ray Data, PySpark (installs 7 GB); writes .github/BENCHMARKS.md
	$(VPY) python/benchmarks/bench.py --full --page $(BENCH)

serve: build ## serve MODEL=... at LISTEN=...
	$(call ends,$(VPY) -m graphscore serve --model $(call needs,MODEL,model) --listen $(call needs,LISTEN,127.0.0.1:9999))

clean: ## remove what was built
	rm -rf bin dist .cache $(VENV) jobs/examples/*/out
	find python \( -name __pycache__ -o -name '*.egg-info' -o -name '.*_cache' -o -name .hypothesis \) -prune -exec rm -rf {} +
