# `make help` lists what there is. Needs Go, Python 3.11+ and make; a C compiler only for `make race`.
PYTHON  ?= python3
VENV    := python/.venv
VPY     := $(VENV)/bin/python
PYG     ?= $(CURDIR)/.cache/pyg
TOOLS   := $(CURDIR)/.cache/bin
PIP     := $(VPY) -m pip install --quiet --disable-pip-version-check --constraint python/constraints.txt
JOB     ?= jobs/examples/molecules/job.yaml
MODEL   ?= jobs/examples/molecules/model
LISTEN  ?= 127.0.0.1:9999
OUT     ?= $(if $(filter jobs/examples/molecules/job.yaml,$(JOB)),jobs/examples/molecules/out)
export CGO_ENABLED = 0
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
.PHONY: help build run backfill plan report verify-output test test-go test-python test-e2e test-browser test-deploy test-slurm test-faults test-data test-pyg test-admet admet docs-check house race lint fmt proto proto-check verify bench bench-full serve clean

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
$(VENV)/.run: python/pyproject.toml python/constraints.txt | $(VENV)/bin/python
	@echo "installing the Python packages of the workers into $(VENV)"
	@$(PIP) --editable python
	@touch $@
$(VENV)/.test: $(VENV)/.run
	@echo "installing the Python packages of the tests into $(VENV)"
	@$(PIP) --editable 'python[test]'
	@touch $@
$(VENV)/.bench: $(VENV)/.test
	@$(PIP) --editable 'python[test,bench]'
	@touch $@
# Not in python/.venv: the tests there show that scoring needs no torch.
$(PYG)/.ready: python/pyproject.toml python/constraints.txt
	@echo "installing PyTorch and PyTorch Geometric into $(PYG)"
	@$(PYTHON) -m venv $(PYG)
	@$(PYG)/bin/python -m pip install --quiet --disable-pip-version-check --constraint python/constraints.txt --editable 'python[test,export]'
	@touch $@
$(VENV)/.lint: $(VENV)/.test
	@$(PIP) --editable 'python[test,lint,proto]'
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
	go test -shuffle=on ./...

test-python: $(VENV)/.test ## run the Python tests
	cd python && .venv/bin/python -m pytest -q

test-e2e: build $(VENV)/.test ## run the tests of the built binary with real workers
	go test -tags e2e -count=1 ./cmd/internal/e2e/...
	go test -tags e2e -count=1 -run TestMatrix ./readers

test-browser: ## open reports in a real Chromium (needs chromium; pictures in .cache/screenshots)
	go test -tags browser -count=1 ./pipeline/report

test-deploy: build ## try jobs/deploy with the real cron, systemd, logrotate and promtool (needs root)
	go test -tags deploy -count=1 ./jobs/deploy

test-slurm: build ## try submit on a real Slurm of two nodes, started for it (needs root, Debian's slurmctld, slurmd, slurm-client, munge)
	go test -tags slurm -count=1 ./cmd/internal/cluster

test-faults: bin/graphscore ## fail each system call on an output, and kill there (needs ptrace, linux/amd64)
	@rm -f .cache/faults.txt
	go test -tags faults -count=1 -timeout 30m ./cmd/internal/faults/...
	@cat .cache/faults.txt

test-data: build $(VENV)/.test ## run the tests on the large collections of DATA=... (default ../shared/data)
	$(VPY) -m pytest -q python/tests/collections --data $(call quoted,$(or $(call given,DATA),../shared/data))

test-pyg: $(PYG)/.ready ## recompute vectors with the real PyTorch Geometric, export a zoo of its modules (installs 5.6 GB)
	cd python && $(PYG)/bin/python -m pytest -q tests/pyg

test-admet: build $(VENV)/.test ## compare ADMET-AI's models with its own predictions (fetches 14 MB)
	$(VPY) jobs/examples/admet/fetch.py .cache/admet
	cd python && .venv/bin/python -m pytest -q tests/admet

docs-check: build $(VENV)/.test ## check the links, commands and examples of every Markdown file
	@mkdir -p .cache
	@go test -tags docs -count=1 -v ./cmd/internal/docs >.cache/docs-check.log || { cat .cache/docs-check.log; exit 1; }
	@sed -nE 's/^ok/docs-check: ok/p; s/^ +[a-z_]+\.go:[0-9]+: (.*( not run|links).*)/  \1/p' .cache/docs-check.log

house: ## count files, lines and upward arrows of every folder
	@go run ./cmd/internal/house

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

verify: test lint race proto-check docs-check ## everything that CI runs

bench: build $(VENV)/.test ## measure speed and memory on several workloads (minutes; BENCH='--only NAME,...')
	$(VPY) python/benchmarks/bench.py $(BENCH)

bench-full: build $(VENV)/.bench ## the same and PyG, Ray Data, PySpark (installs 7 GB); writes .github/BENCHMARKS.md
	$(VPY) python/benchmarks/bench.py --full --page $(BENCH)

serve: build ## serve MODEL=... at LISTEN=...
	$(call ends,$(VPY) -m graphscore serve --model $(call needs,MODEL,model) --listen $(call needs,LISTEN,127.0.0.1:9999))

clean: ## remove what was built
	rm -rf bin .cache $(VENV) jobs/examples/*/out
	find python \( -name __pycache__ -o -name '*.egg-info' -o -name '.*_cache' -o -name .hypothesis \) -prune -exec rm -rf {} +
