# Everything a developer does here has a target; `make` lists them.
# What a target needs, it says when it is missing.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOLS   := bin/tools
SRCS    := ./...

# A clone may belong to another user than the one who builds it, where git
# refuses to answer: the version comes from VERSION, not from go's own stamp.
# go.mod is never changed by a build.
export GOFLAGS := -mod=readonly -buildvcs=false
# Product binaries are static; only the race detector needs a C compiler.
export CGO_ENABLED := 0

PROGRAMS := $(patsubst %/,./%,$(wildcard cmd/hub/ cmd/hub-plugin-*/))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run build test bench lint gen crash outage fuzz

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build, make the demo's tokens, start the hub and print the demo's URL
	@sh tools/run.sh

build: ## bin/hub and every bin/hub-plugin-*, static
ifneq ($(PROGRAMS),)
	@mkdir -p bin
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/ $(PROGRAMS)
endif

test: ## everything: unit, conformance, end to end, browser; says what is missing
	@sh tools/test.sh

bench: build ## ratios against a baseline of the same run, and bench/latest.json
	go run ./internal/bench -aws -out bench/latest.json

lint: $(TOOLS)/golangci-lint ## golangci-lint, and buf on the contract
	$(TOOLS)/golangci-lint run $(SRCS)
	@sh tools/proto.sh lint

gen: ## regenerate what is generated and committed
	@sh tools/proto.sh generate
	go generate $(SRCS)

crash: ## the kill -9 tests alone, each failpoint in turn
	go test -count=1 -timeout 15m -run '^TestCrash' $(SRCS)

outage: ## each AWS service away for T under traffic, by the stand-ins of make test (T=60s)
	HUB_TEST_OUTAGE=$(or $(T),60s) go test -count=1 -timeout 30m -v -run 'Away|EverythingOnAWS' ./internal/awstest

fuzz: ## every fuzz target for T each (T=30s)
	@sh tools/fuzz.sh $(or $(T),30s)

# Tools are built once from modfiles of their own, so that their hundreds of
# modules stay out of the product's go.mod, and again when the pin changes.
$(TOOLS)/golangci-lint: tools/lint.mod tools/lint.sum
	@echo "building golangci-lint (once, some minutes)" >&2
	@mkdir -p $(TOOLS)
	go build -modfile=tools/lint.mod -trimpath -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(TOOLS)/buf: tools/buf.mod tools/buf.sum
	@echo "building buf (once, some minutes)" >&2
	@mkdir -p $(TOOLS)
	go build -modfile=tools/buf.mod -trimpath -o $@ github.com/bufbuild/buf/cmd/buf

$(TOOLS)/protoc-gen-go: tools/gen.mod tools/gen.sum
	@mkdir -p $(TOOLS)
	go build -modfile=tools/gen.mod -trimpath -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

$(TOOLS)/protoc-gen-go-grpc: tools/gen.mod tools/gen.sum
	@mkdir -p $(TOOLS)
	go build -modfile=tools/gen.mod -trimpath -o $@ google.golang.org/grpc/cmd/protoc-gen-go-grpc
