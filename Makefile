GO ?= go
SEEDS ?= 100000
DEPLOYS ?= 500
CONTAINER_DEPLOYS ?= 100
# The race detector needs a C compiler; without one the tests run all the same.
RACE := $(if $(shell command -v $${CC:-cc} 2>/dev/null),-race)

# The tests that run against a naru built with the race detector each time: the three strategies, a controller that is killed in the
# middle of one, WebSockets, and the judge.
RACED := TestEveryStrategyLosesNoRequest|TestKilledControllerLosesNothing|TestWebSocket|TestAnalysisIsTold

.PHONY: build test race engine lint sim soak analysis-report

build:
	$(GO) build -o bin/naru ./cmd/naru

# Unit tests and simulation with the race detector; then the built binary under load, and some of that with the race detector too.
test: engine
	$(GO) test $(RACE) -shuffle=on -timeout 20m ./internal/... ./cmd/... ./examples/... ./bench/...
	$(GO) test -C examples/notes ./...
	$(GO) test -shuffle=on -timeout 20m ./test/...
	$(if $(RACE),NARU_E2E_RACE=$(RACE) $(GO) test -shuffle=on -timeout 20m -parallel 1 ./test/e2e -run '$(RACED)')

# Everything end to end against a naru built with the race detector: a naru that is ten times slower.
race:
	NARU_E2E_RACE=-race $(GO) test -race -shuffle=on -timeout 60m -parallel 1 ./test/...

# Containers are tested against a real Docker engine, which the tests start where none is running. Where there is none to start, Debian's
# is installed if that is allowed here; if not, those tests are skipped, and everything else goes on.
engine:
	@if command -v dockerd >/dev/null || [ -n "$$DOCKER_HOST" ] || [ -S /var/run/docker.sock ]; then :; \
	elif [ "$$(id -u)" != 0 ]; then echo "no Docker engine: tests of containers are skipped; installing one (apt-get install docker.io iproute2) takes root"; \
	elif ! command -v apt-get >/dev/null; then echo "no Docker engine: tests of containers are skipped; install one, there is no apt-get here"; \
	elif apt-get update && apt-get install -y --no-install-recommends docker.io iproute2; then :; \
	else echo "no Docker engine: tests of containers are skipped; apt-get could not install docker.io"; fi

lint:
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./cmd/naru ./internal/cli
	$(GO) vet -C examples/notes ./...
	$(GO) tool staticcheck ./...
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed: $$out"; exit 1; }

# More simulated lives of the pure core: make sim SEEDS=1000000
sim:
	NARU_SIM_SEEDS=$(SEEDS) $(GO) test ./internal/deploy -run 'Invariant|Mutant|SameEnd|Fix' -timeout 300m -v

# 20 deploys of a program that cannot run twice, and 50 mixed over the strategies at 500 requests per second with WebSockets open:
# nothing may fail. Then 500 quick ones, with failures, rollbacks and drills among them: nothing may grow. Then containers, where
# there is a Docker engine or one may be started: 30 mixed deploys at 300 requests per second, 20 of a program that cannot run
# twice, and 100 quick ones with an image each that is pulled and removed again.
soak:
	NARU_EXCLUSIVE=20 NARU_EXCLUSIVE_RATE=200 $(GO) test ./test/e2e -run 'TestExclusive$$' -count=1 -timeout 30m -v
	NARU_SOAK=50 NARU_SOAK_RATE=500 $(GO) test ./test/e2e -run TestSoak -count=1 -timeout 60m -v
	NARU_SOAK=$(DEPLOYS) $(GO) test ./test/e2e -run TestManyDeploysLeaveNothing -count=1 -timeout 120m -v
	NARU_CONTAINER_DEPLOYS=30 NARU_CONTAINER_RATE=300 $(GO) test ./test/e2e -run 'TestContainers$$' -count=1 -timeout 60m -v
	NARU_EXCLUSIVE_CONTAINERS=20 NARU_EXCLUSIVE_RATE=200 $(GO) test ./test/e2e -run 'TestExclusiveContainers$$' -count=1 -timeout 30m -v
	NARU_CONTAINER_DEPLOYS=30 $(GO) test ./test/e2e -run TestContainersAreKeptAndRemoved -count=1 -timeout 60m -v
	NARU_CONTAINER_SOAK=$(CONTAINER_DEPLOYS) $(GO) test ./test/e2e -run TestManyContainersLeaveNothing -count=1 -timeout 120m -v

# The figures of docs/analysis.md, taken anew by some thousands of simulated rollouts with fixed seeds.
analysis-report:
	$(GO) run ./bench/analysis
